if vim.b.did_ftplugin then
  return
end
vim.b.did_ftplugin = 1

vim.bo.commentstring = "// %s"
vim.bo.comments = ":///,://"
vim.bo.expandtab = true
vim.bo.shiftwidth = 4
vim.bo.softtabstop = 4
vim.bo.textwidth = 0
-- A comment goes on on the next line; text is not broken.
vim.bo.formatoptions = "croqlj"
-- Names hold dashes: labels-of, prod-us.
vim.opt_local.iskeyword:append("-")
vim.b.undo_ftplugin = "setlocal commentstring< comments< expandtab< shiftwidth< softtabstop< textwidth< formatoptions< iskeyword<"

require("plumb").attach(vim.api.nvim_get_current_buf())
