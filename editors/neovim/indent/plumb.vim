if exists("b:did_indent")
  finish
endif
let b:did_indent = 1

setlocal indentexpr=PlumbIndent(v:lnum)
setlocal indentkeys=0{,0},0[,0],0(,0),o,O,0=else
let b:undo_indent = "setlocal indentexpr< indentkeys<"

if exists("*PlumbIndent")
  finish
endif

" The line without its texts and comment: brackets in these open nothing.
function s:bare(lnum) abort
  let line = substitute(getline(a:lnum), '"\%([^"\\]\|\\.\)*"', '', 'g')
  return substitute(line, '//.*', '', '')
endfunction

" Everything that opens on one line indents once; a line that begins with `else` goes on from the one before.
function PlumbIndent(lnum) abort
  let before = prevnonblank(a:lnum - 1)
  if before == 0
    return 0
  endif
  let text = s:bare(before)
  let indent = indent(before)
  if text =~# '^\s*else\>[^{[(]*$'
    let indent -= shiftwidth()
  endif
  let open = 0
  for char in split(substitute(text, '^\s*[\]})]\+', '', ''), '\zs')
    if char =~# '[[{(]'
      let open += 1
    elseif char =~# '[\]})]'
      let open -= 1
    endif
  endfor
  let line = s:bare(a:lnum)
  let indent += (open > 0) * shiftwidth() - (line =~# '^\s*[\]})]') * shiftwidth()
  if open <= 0 && line =~# '^\s*else\>'
    let indent += shiftwidth()
  endif
  return max([indent, 0])
endfunction
