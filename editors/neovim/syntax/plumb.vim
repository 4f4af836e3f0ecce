if exists("b:current_syntax")
  finish
endif

" Names hold dashes between their parts.
syntax iskeyword @,48-57,_,-

syntax keyword plumbBoolean true false
syntax keyword plumbConstant none null
syntax keyword plumbSelf environment self it
syntax keyword plumbConditional if else match
syntax keyword plumbRepeat for
syntax keyword plumbKeyword in from as by where matches let emit output require advise assert
syntax match plumbKeyword /\<\%(final\|replace\)\>\%(\s\+[A-Za-z_"]\)\@=/

syntax match plumbNumber /\<\d\+\>/
syntax match plumbFloat /\<\d\+\.\d\+\>/
syntax match plumbUnit /\<\d\+\%(\.\d\+\)\=\%(ms\|[smhdkMGTP]\|[KMGTP]i\)\>/
syntax match plumbUnit /\<\%(\d\+\%(ms\|[smhd]\)\)\{2,}\>/

syntax match plumbType /\<\u\w*\l\w*\%(-\+\w\+\)*\>/
syntax keyword plumbBuiltinType Bool Int Float String Quantity Duration Any
syntax keyword plumbBuiltinType Port Hostname DnsLabel EnvName Image CronExpression

syntax match plumbCall /\<[A-Za-z_]\w*\%(-\+\w\+\)*(\@=/
syntax match plumbOperator /\.\.\.\|\.\.=\|=>\|->\|??\|?\.\|&&\|||\|[=!<>]=\|[=<>|!?*/%+-]/

" Any word is the name of a field where a value or a type follows it.
syntax match plumbField /\<[A-Za-z_]\w*\%(-\+\w\+\)*\>\%(\%(\.\h\w*\%(-\+\w\+\)*\|\."[^"]*"\|\[[^\]]*\]\)*\s*+\==[=>]\@!\)\@=/
syntax match plumbField /\<[a-z_]\w*\%(-\+\w\+\)*\>\s*:\@=/
syntax match plumbField /\.\@1<=\<\h\w*\%(-\+\w\+\)*\>(\@!/ contains=plumbMemberType
syntax match plumbMemberType /\<\u\w*\l\w*\%(-\+\w\+\)*\>/ contained

syntax match plumbDeclaration /^\%(private\s\+\|abstract\s\+\)\=\%(use\|package\|let\|schema\|type\|environment\|defaults\|compose\|policy\|fn\|request\|overlay\|adjust\|test\)\>/ nextgroup=plumbDeclared skipwhite
syntax match plumbDeclared /\<\h\w*\%(-\+\w\+\)*\>/ contained

syntax match plumbEscape /\\\%([nt"\\$]\|u{\x\{1,6}}\|$\)/ contained
syntax region plumbInterpolation matchgroup=plumbDelimiter start=/\${/ end=/}/ oneline contained contains=plumbSelf,plumbPath
syntax match plumbPath /\<\h\w*\%(-\+\w\+\)*\>/ contained
syntax region plumbString start=/"/ skip=/\\./ end=/"/ oneline contains=plumbEscape,plumbInterpolation
syntax region plumbString start=/"""/ skip=/\\./ end=/"""/ contains=plumbEscape,plumbInterpolation keepend
syntax region plumbRawString start=/\<r"/ end=/"/ oneline
syntax region plumbRawString start=/\<r"""/ end=/"""/ keepend

syntax match plumbComment "//.*" contains=@Spell,plumbTodo
syntax match plumbDoc "///\%([^/].*\|$\)" contains=@Spell,plumbTodo
syntax keyword plumbTodo TODO FIXME contained
" Comments and texts of other languages.
syntax match plumbError /#.*/
syntax match plumbError /'[^']*'/

syntax sync minlines=200

highlight default link plumbBoolean Boolean
highlight default link plumbConstant Constant
highlight default link plumbSelf Special
highlight default link plumbConditional Conditional
highlight default link plumbRepeat Repeat
highlight default link plumbKeyword Keyword
highlight default link plumbNumber Number
highlight default link plumbFloat Float
highlight default link plumbUnit Number
highlight default link plumbType Type
highlight default link plumbMemberType Type
highlight default link plumbBuiltinType Type
highlight default link plumbCall Function
highlight default link plumbOperator Operator
highlight default link plumbField Identifier
highlight default link plumbDeclaration Statement
highlight default link plumbDeclared Function
highlight default link plumbEscape SpecialChar
highlight default link plumbDelimiter Delimiter
highlight default link plumbPath Identifier
highlight default link plumbString String
highlight default link plumbRawString String
highlight default link plumbComment Comment
highlight default link plumbDoc SpecialComment
highlight default link plumbTodo Todo
highlight default link plumbError Error

let b:current_syntax = "plumb"
