-- Plumb in Neovim: the language server, the environment that is looked at, the manifests beside the source.

local M = {}

local config = {
  -- The program and its arguments.
  cmd = { "plumb", "lsp" },
  -- What lenses, hints and manifests show at first; nil: all environments.
  environment = nil,
  -- Given to the client as it is: on_attach, capabilities, handlers.
  client = {},
}

local function echo(text, group)
  vim.api.nvim_echo({ { "plumb: " .. text, group } }, true, {})
end

-- The outermost directory with a plumb.toml: a workspace may lie in one that depends on it.
local function root(file)
  local found = vim.fn.findfile("plumb.toml", vim.fn.fnamemodify(file, ":p:h") .. ";", -1)
  local outermost = found[#found] or file
  return vim.fn.fnamemodify(outermost, ":p:h")
end

local function clients(buffer)
  local get = vim.lsp.get_clients or vim.lsp.get_active_clients
  return vim.tbl_filter(function(client)
    return client.name == "plumb" and (buffer == nil or vim.lsp.buf_is_attached(buffer, client.id))
  end, get())
end

-- Up to 0.10 these are functions of the client, since then its methods.
local function call(client, method, ...)
  if vim.fn.has("nvim-0.11") == 1 then
    return client[method](client, ...)
  end
  return client[method](...)
end

local function request(buffer, method, params, answer)
  local client = clients(buffer)[1]
  if client == nil then
    return echo("the language server does not run here", "WarningMsg")
  end
  call(client, "request", method, params, function(failure, result)
    if failure then
      echo(failure.message, "ErrorMsg")
    else
      answer(result, client)
    end
  end, buffer)
end

-- Before 0.8 Neovim does not look for a client that serves the same directory: those that were started, by it.
local started = {}

--- Starts the language server for a buffer, or takes the one that runs for its workspace.
function M.attach(buffer)
  local file = vim.api.nvim_buf_get_name(buffer)
  if file == "" or vim.bo[buffer].buftype ~= "" then
    return
  end
  if vim.fn.executable(config.cmd[1]) == 0 then
    local text = "there is no program %q: install Plumb, or name it by require('plumb').setup"
    return echo(text:format(config.cmd[1]), "WarningMsg")
  end
  local options = vim.tbl_extend("force", {
    name = "plumb",
    cmd = config.cmd,
    root_dir = root(file),
    init_options = {
      environment = config.environment or vim.NIL,
      clientCommands = { "plumb.preview", "plumb.showReferences" },
    },
  }, config.client)
  if vim.lsp.start then
    return vim.lsp.start(options, { bufnr = buffer })
  end
  local id = started[options.root_dir]
  if id == nil or vim.lsp.client_is_stopped(id) then
    id = vim.lsp.start_client(options)
    started[options.root_dir] = id
  end
  vim.lsp.buf_attach_client(buffer, id)
  return id
end

--- Chooses the environment that lenses, hints and manifests show; nil is all.
function M.environment(name)
  config.environment = name
  for _, client in ipairs(clients()) do
    call(client, "notify", "plumb/setEnvironment", { environment = name or vim.NIL })
  end
  M.refresh()
end

-- What is previewed: the buffer of the manifests, and what they are of.
local shown

local function write(preview)
  local lines = { ("# %s in %s"):format(preview.request, preview.environment) }
  for _, line in ipairs(vim.split(preview.note or "", "\n", { plain = true, trimempty = true })) do
    table.insert(lines, "# " .. line)
  end
  vim.list_extend(lines, vim.split(preview.text, "\n", { plain = true }))
  vim.bo[shown.buffer].modifiable = true
  vim.api.nvim_buf_set_lines(shown.buffer, 0, -1, false, lines)
  vim.bo[shown.buffer].modifiable = false
end

--- Makes the manifests again that are shown.
function M.refresh()
  if shown and vim.api.nvim_buf_is_valid(shown.buffer) then
    local what = vim.tbl_extend("force", shown.what, { environment = config.environment })
    request(shown.source, "plumb/preview", what, function(preview)
      if preview and preview ~= vim.NIL then
        write(preview)
      end
    end)
  end
end

--- Shows the manifests of the request under the cursor, or of what a lens names, in a window beside.
function M.preview(target)
  local source = vim.api.nvim_get_current_buf()
  local what = { textDocument = vim.lsp.util.make_text_document_params(source) }
  if target then
    what.request = target.request
  else
    local encoding = (clients(source)[1] or {}).offset_encoding
    what.position = vim.lsp.util.make_position_params(0, encoding).position
  end
  what.environment = config.environment or target and target.environment
  request(source, "plumb/preview", what, function(preview)
    if not preview or preview == vim.NIL then
      return echo("there is no request under the cursor")
    end
    if not (shown and vim.api.nvim_buf_is_valid(shown.buffer)) then
      shown = { buffer = vim.api.nvim_create_buf(false, true) }
      vim.bo[shown.buffer].filetype = "yaml"
      vim.bo[shown.buffer].bufhidden = "wipe"
    end
    shown.source = source
    shown.what = { textDocument = what.textDocument, request = preview.request }
    if vim.fn.bufwinid(shown.buffer) == -1 then
      local window = vim.api.nvim_get_current_win()
      vim.cmd("rightbelow vsplit")
      vim.api.nvim_win_set_buf(0, shown.buffer)
      vim.api.nvim_set_current_win(window)
    end
    write(preview)
  end)
end

vim.lsp.commands["plumb.preview"] = function(command)
  M.preview(command.arguments[1])
end

vim.lsp.commands["plumb.showReferences"] = function(command)
  local what = { textDocument = { uri = command.arguments[1] }, position = command.arguments[2] }
  request(vim.api.nvim_get_current_buf(), "plumb/users", what, function(locations, client)
    local items = vim.lsp.util.locations_to_items(locations or {}, client.offset_encoding)
    vim.fn.setqflist({}, " ", { title = "requests", items = items })
    vim.cmd("botright copen")
  end)
end

vim.api.nvim_create_user_command("PlumbPreview", function()
  M.preview()
end, { desc = "Show the manifests of the request under the cursor" })

vim.api.nvim_create_user_command("PlumbEnvironment", function(command)
  M.environment(command.args ~= "" and command.args or nil)
end, {
  nargs = "?",
  desc = "Choose the environment that lenses, hints and manifests show; without a name all",
  complete = function(start)
    local client = clients()[1]
    local answer = client and call(client, "request_sync", "plumb/environments", vim.empty_dict(), 1000, 0)
    return vim.tbl_filter(function(name)
      return vim.startswith(name, start)
    end, answer and answer.result and answer.result.environments or {})
  end,
})

vim.api.nvim_create_autocmd({ "TextChanged", "InsertLeave", "BufWritePost" }, {
  pattern = "*.plumb",
  callback = M.refresh,
})

--- Says what is other than usual: `cmd`, `environment`, `client`.
function M.setup(options)
  config = vim.tbl_extend("force", config, options or {})
end

return M
