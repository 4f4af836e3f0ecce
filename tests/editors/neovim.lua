-- The plugin in a Neovim without a screen, with the real `plumb`, on a copy of the example.
-- PLUMB names the program, EXAMPLE the copy.

local failed = 0

local function check(name, holds, saw)
  io.stdout:write((holds and "ok - " or "not ok - ") .. name .. (holds and "" or "\n" .. vim.inspect(saw)) .. "\n")
  failed = failed + (holds and 0 or 1)
end

local function eventually(condition)
  return vim.wait(20000, condition, 20)
end

local function put_cursor(text, offset)
  vim.fn.cursor(1, 1)
  local line = vim.fn.search("\\V" .. text)
  vim.fn.cursor(line, vim.fn.stridx(vim.fn.getline(line), text) + 1 + (offset or 0))
end

local function lines(buffer)
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\n")
end

-- What the window shows that floats over the text.
local function floating()
  for _, window in ipairs(vim.api.nvim_list_wins()) do
    if vim.api.nvim_win_get_config(window).relative ~= "" then
      return lines(vim.api.nvim_win_get_buf(window))
    end
  end
  return ""
end

local function group_at(text)
  put_cursor(text)
  return vim.fn.synIDattr(vim.fn.synID(vim.fn.line("."), vim.fn.col("."), 1), "name")
end

local function body()
  require("plumb").setup({ cmd = { vim.env.PLUMB, "lsp" } })
  vim.cmd("filetype plugin indent on | syntax on")
  vim.cmd("edit " .. vim.env.EXAMPLE .. "/apps/shop/storefront.plumb")
  check("the file type", vim.bo.filetype == "plumb", vim.bo.filetype)
  check("four spaces", vim.bo.shiftwidth == 4 and vim.bo.expandtab)
  check("comments", vim.bo.commentstring == "// %s", vim.bo.commentstring)

  local colours = {
    ["request storefront"] = "plumbDeclaration",
    ["storefront: "] = "plumbDeclared",
    ["replicas = 2"] = "plumbField",
    ["Web {"] = "plumbMemberType",
    ["environment.domain"] = "plumbSelf",
    ["\"nginx.conf\" ="] = "plumbString",
    ["/// The shop"] = "plumbDoc",
    ["none }"] = "plumbConstant",
  }
  for text, group in pairs(colours) do
    check("colour of " .. text, group_at(text) == group, group_at(text))
  end

  local written = lines(0)
  vim.cmd([[silent %s/^\s*//]])
  vim.cmd("silent normal! gg=G")
  check("the indentation is that of plumb fmt", written == lines(0), lines(0))

  local buffer = vim.api.nvim_get_current_buf()
  local list = vim.lsp.get_clients or vim.lsp.get_active_clients
  local function client()
    return list()[1]
  end
  check("attached", eventually(function()
    return client() and client().initialized and vim.lsp.buf_is_attached(buffer, client().id)
  end), list())
  local root = client().config.root_dir
  check("the root is the outermost workspace", root == vim.fn.resolve(vim.env.EXAMPLE), root)

  put_cursor("replicas = 6")
  vim.lsp.buf.hover()
  local function hovers()
    local text = floating()
    return text:find("Pods that serve traffic", 1, true) and text:find("overlay storefront in prod", 1, true)
  end
  check("hover tells the values and their layers", eventually(hovers), floating())
  vim.cmd("normal! j")

  put_cursor("replicas = 6", #"replicas = ")
  vim.cmd("silent normal! r0")
  local function mistake()
    local found = vim.diagnostic.get(buffer)[1]
    return found and found.code == "refinement-failed" and found.lnum + 1 == vim.fn.line(".")
  end
  check("a diagnostic", eventually(mistake), vim.diagnostic.get(buffer))
  vim.cmd("silent undo")
  check("the diagnostic goes", eventually(function()
    return #vim.diagnostic.get(buffer) == 0
  end), vim.diagnostic.get(buffer))

  put_cursor("replicas = 2")
  local line = vim.fn.line(".")
  vim.fn.append(line, "    si")
  vim.fn.cursor(line + 1, 6)
  local position = vim.lsp.util.make_position_params(0, client().offset_encoding)
  position.position.character = 6
  local labels = {}
  eventually(function()
    local answer = vim.lsp.buf_request_sync(buffer, "textDocument/completion", position, 5000)
    local result = answer and answer[client().id] and answer[client().id].result
    labels = vim.tbl_map(function(item)
      return item.label
    end, result and (result.items or result) or {})
    return vim.tbl_contains(labels, "size") and vim.tbl_contains(labels, "sidecars")
  end)
  check("completion", vim.tbl_contains(labels, "size") and vim.tbl_contains(labels, "sidecars"), labels)
  vim.cmd("silent undo")

  put_cursor("replicas = 6")
  vim.cmd("PlumbEnvironment prod")
  vim.cmd("PlumbPreview")
  local function manifests()
    local window = vim.api.nvim_list_wins()[2]
    return window and lines(vim.api.nvim_win_get_buf(window)) or ""
  end
  check("the manifests beside", eventually(function()
    return manifests():find("# apps.shop.storefront in prod", 1, true) and manifests():find("\n  replicas: 6\n", 1, true)
  end), manifests())
  vim.cmd("PlumbEnvironment staging")
  check("the manifests follow the environment", eventually(function()
    return manifests():find("\n  replicas: 2\n", 1, true)
  end), manifests())
  local environments = vim.fn.getcompletion("PlumbEnvironment ", "cmdline")
  check("environments complete", vim.tbl_contains(environments, "prod-us"), environments)

  vim.cmd("edit! " .. vim.env.EXAMPLE .. "/platform/web.plumb")
  put_cursor("schema Web")
  vim.lsp.codelens.refresh()
  local function lens()
    for _, each in ipairs(vim.lsp.codelens.get(0)) do
      if each.range.start.line + 1 == vim.fn.line(".") and each.command then
        return each
      end
    end
  end
  check("a lens", eventually(lens), vim.lsp.codelens.get(0))
  check("its count", lens() and lens().command.title == "used by 3 requests", lens())
  vim.lsp.codelens.run()
  check("its list", eventually(function()
    return #vim.fn.getqflist() == 3
  end), vim.fn.getqflist())
  vim.cmd("cclose")
  check("one server for the workspace", eventually(function()
    return #list() == 1 and vim.lsp.buf_is_attached(0, client().id)
  end), #list())
end

local fine, message = xpcall(body, debug.traceback)
check("no mistake in Lua", fine, message)
for _, client in ipairs((vim.lsp.get_clients or vim.lsp.get_active_clients)()) do
  vim.lsp.stop_client(client.id)
end
io.stdout:write(("Neovim %d.%d: %d failed\n"):format(vim.version().major, vim.version().minor, failed))
vim.cmd(failed == 0 and "qall!" or "cquit! 1")
