--- M31R for Neovim: starts m31r-lsp for Rust buffers and shows its ghost text.
---
--- Neovim 0.12 has inline completion of its own (`m31r.native`); for 0.11 `m31r.ghost` does it.

local M = {}

---@class m31r.Keys in insert mode; false for no mapping
---@field accept string|false take the whole suggestion
---@field accept_word string|false take its next word
---@field accept_line string|false take the rest of its line
---@field next string|false show the next suggestion
---@field previous string|false show the previous one
---@field dismiss string|false send the suggestion away
---@field ask string|false ask now, for several suggestions

---@class m31r.Options
---@field cmd string[] the server and its arguments
---@field settings table what the server reads: `trusted`, `threads`, `model`, `completion`, `check`
---@field keys m31r.Keys
---@field debounce_ms integer pause in typing before a request
---@field native boolean let Neovim's own inline completion do it where there is one
local defaults = {
  cmd = { 'm31r-lsp' },
  settings = vim.empty_dict(),
  keys = {
    accept = '<Tab>',
    accept_word = '<M-Right>',
    accept_line = '<M-End>',
    next = '<M-]>',
    previous = '<M-[>',
    dismiss = '<C-]>',
    ask = '<M-\\>',
  },
  debounce_ms = 30,
  native = true,
}

local descriptions = {
  accept = 'M31R: accept the suggestion',
  accept_word = 'M31R: accept a word of the suggestion',
  accept_line = 'M31R: accept a line of the suggestion',
  next = 'M31R: show the next suggestion',
  previous = 'M31R: show the previous suggestion',
  dismiss = 'M31R: dismiss the suggestion',
  ask = 'M31R: ask for suggestions',
}

--- What setup() was given, with the defaults; nil before.
---@type m31r.Options?
M.options = nil

local function backend()
  if M.options and M.options.native and require('m31r.native').usable() then
    return require('m31r.native')
  end
  return require('m31r.ghost')
end

--- Whether Neovim's own inline completion is used.
---@return boolean
function M.native()
  return backend() == require('m31r.native')
end

--- Whether a suggestion goes on from the cursor. While the completion menu is open it is hidden.
---@return boolean
function M.visible()
  return backend().current() ~= nil and not require('m31r.menu').visible()
end

---@param size m31r.Size
---@return boolean
local function take(size)
  if not M.visible() then
    return false
  end
  backend().take(size)
  return true
end

--- Take the suggestion; false when none is shown.
---@return boolean
function M.accept()
  return take('all')
end

--- Take the next word of the suggestion; false when none is shown.
---@return boolean
function M.accept_word()
  return take('word')
end

--- Take the suggestion up to the end of its line; false when none is shown.
---@return boolean
function M.accept_line()
  return take('line')
end

---@param count integer
---@return boolean
local function step(count)
  local there = backend().current()
  if not there then
    return false
  end
  if backend().count() > 1 then
    backend().select(count)
    return true
  end
  -- Typing brings one suggestion only.
  local text = there.text
  backend().ask(function()
    local first = backend().current()
    if first and first.text == text then
      backend().select(count)
    end
  end)
  return true
end

--- Show the next suggestion, after asking for more if there is one only; false when none is shown.
---@return boolean
function M.next()
  return step(1)
end

--- Show the previous suggestion; false when none is shown.
---@return boolean
function M.previous()
  return step(-1)
end

--- Send the suggestion away; false when none is shown.
---@return boolean
function M.dismiss()
  local there = M.visible()
  backend().dismiss()
  return there
end

--- Ask now, for several suggestions.
---@return boolean
function M.ask()
  backend().ask()
  return true
end

--- Offer the repairs of the error under the cursor that rustc accepted; one alone is applied.
--- `all` applies the largest set of repairs that passes together.
---@param all? boolean
function M.fix(all)
  vim.lsp.buf.code_action({
    apply = true,
    context = { only = { all and 'source.fixAll.m31r' or 'quickfix' }, diagnostics = {} },
    filter = function(action)
      return vim.startswith(action.title, 'M31R: ')
    end,
  })
end

--- What the server said last, by its client.
---@type table<integer, table>
local said = {}

--- Whether ghost text is on, in a few characters for a statusline; empty in a buffer without the
--- server. `User M31RStatus` is triggered when it changes.
---@return string
function M.status()
  local client = vim.lsp.get_clients({ bufnr = 0, name = 'm31r' })[1]
  if not client or client:is_stopped() then
    return ''
  end
  local status = said[client.id]
  if not status or status.state == 'loading' then
    return 'M31R loading'
  elseif status.state ~= 'ready' then
    return 'M31R ' .. status.state
  end
  local words = { passed = ' ok', failed = ' refused' }
  return 'M31R' .. (words[status.verdict] or '')
end

---@param status table the parameters of m31r/status
---@param client_id integer
local function heard(status, client_id)
  said[client_id] = status
  if status.verdict == 'failed' and type(status.uri) == 'string' then
    -- rustc refuses what is shown; the server has another one, or none.
    if vim.uri_to_bufnr(status.uri) == vim.api.nvim_get_current_buf() and M.visible() then
      backend().refresh()
    end
  end
  vim.api.nvim_exec_autocmds('User', { pattern = 'M31RStatus', modeline = false })
  vim.cmd.redrawstatus({ bang = true })
end

---@param options m31r.Options
local function map_keys(options)
  local keys = require('m31r.keys')
  local group = vim.api.nvim_create_augroup('m31r.keys', {})
  local function ours(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    return client and client.name == 'm31r'
  end
  vim.api.nvim_create_autocmd('LspAttach', {
    group = group,
    callback = function(event)
      for name, key in pairs(ours(event) and options.keys or {}) do
        if key then
          local ready = name == 'ask' and function()
            return true
          end or M.visible
          keys.map(event.buf, key, name, ready, descriptions[name])
        end
      end
    end,
  })
  vim.api.nvim_create_autocmd('LspDetach', {
    group = group,
    callback = function(event)
      if ours(event) then
        keys.unmap(event.buf)
      end
    end,
  })
end

--- Neovim leaves without waiting for its servers; ours has to write down what was taken.
local function say_goodbye()
  for _, client in ipairs(vim.lsp.get_clients({ name = 'm31r' })) do
    local answered = false
    client:request('shutdown', nil, function()
      answered = true
    end)
    vim.wait(300, function()
      return answered or client.rpc.is_closing()
    end, 5)
  end
end

--- Configure and enable the server. Call it once, from init.lua.
---@param options? m31r.Options
function M.setup(options)
  options = vim.tbl_deep_extend('force', defaults, options or {})
  for name in pairs(options.keys) do
    if not descriptions[name] then
      error(('m31r: there is no key for %q'):format(name))
    end
  end
  M.options = options
  local highlight = vim.fn.hlexists('ComplHint') == 1 and 'ComplHint' or 'Comment'
  vim.api.nvim_set_hl(0, 'M31RGhost', { link = highlight, default = true })
  vim.api.nvim_create_autocmd('VimLeavePre', {
    group = vim.api.nvim_create_augroup('m31r', {}),
    callback = say_goodbye,
  })
  map_keys(options)
  backend().enable(options)
  vim.lsp.config('m31r', {
    cmd = options.cmd,
    filetypes = { 'rust' },
    root_markers = { 'Cargo.toml', '.git' },
    init_options = options.settings,
    settings = { m31r = options.settings },
    capabilities = {
      textDocument = { inlineCompletion = { dynamicRegistration = true } },
      experimental = { m31r = { status = true } },
    },
    handlers = {
      ['m31r/status'] = function(_, status, context)
        heard(status, context.client_id)
      end,
    },
  })
  vim.lsp.enable('m31r')
end

return M
