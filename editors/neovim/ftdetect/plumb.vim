autocmd BufRead,BufNewFile *.plumb setfiletype plumb
