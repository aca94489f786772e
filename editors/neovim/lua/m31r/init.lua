--- M31R for Neovim: starts m31r-lsp for Rust buffers and shows its ghost text.
---
--- Neovim 0.12 shows inline completion itself (`vim.lsp.inline_completion`); for 0.11
--- `m31r.ghost` does it with extmarks.

local M = {}

---@class m31r.Keys
---@field accept string|false  take the whole suggestion
---@field dismiss string|false send it away (0.11 only; on 0.12 leaving insert mode does)

---@class m31r.Options
---@field cmd string[] the server and its arguments
---@field settings table what the server reads: `trusted`, `threads`, `model`, `completion`, `check`
---@field keys m31r.Keys
---@field debounce_ms integer pause in typing before a request (0.11 only)
local defaults = {
  cmd = { 'm31r-lsp' },
  settings = vim.empty_dict(),
  keys = { accept = '<Tab>', dismiss = '<C-]>' },
  debounce_ms = 30,
}

local function native()
  return vim.lsp.inline_completion ~= nil
end

--- Until the next answer Neovim 0.12 keeps a suggestion that the user types on after, with the
--- range it had. Leave only what is not typed yet; nil when something else was typed.
---@param item vim.lsp.inline_completion.Item
---@return vim.lsp.inline_completion.Item?
local function fit(item)
  local text = item.insert_text
  if type(text) ~= 'string' or not item.range then
    return item
  end
  local row, from, _, to = item.range:to_extmark()
  local cursor_row, column = unpack(vim.api.nvim_win_get_cursor(0))
  if cursor_row - 1 == row and column == to then
    return item
  end
  local typed = vim.api.nvim_get_current_line():sub(from + 1, column)
  if cursor_row - 1 ~= row or column < to or not vim.startswith(text, typed) then
    return nil
  end
  item.insert_text = text:sub(#typed + 1)
  item.range = nil -- which means: at the cursor
  return item
end

--- Take the suggestion under the cursor; false when there is none.
---@return boolean
function M.accept()
  if native() then
    return vim.lsp.inline_completion.get({ on_accept = fit })
  end
  return require('m31r.ghost').accept()
end

---@param key string
---@param action fun(): boolean
local function map(key, action, description)
  vim.keymap.set('i', key, function()
    -- Editing is forbidden while an expression is evaluated, hence no `expr` mapping.
    if not action() then
      vim.api.nvim_feedkeys(vim.keycode(key), 'n', false)
    end
  end, { desc = description })
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

--- Configure and enable the server. Call it once, from init.lua.
---@param options? m31r.Options
function M.setup(options)
  options = vim.tbl_deep_extend('force', defaults, options or {})
  vim.lsp.config('m31r', {
    cmd = options.cmd,
    filetypes = { 'rust' },
    root_markers = { 'Cargo.toml', '.git' },
    init_options = options.settings,
    settings = { m31r = options.settings },
    capabilities = { textDocument = { inlineCompletion = { dynamicRegistration = true } } },
  })
  vim.lsp.enable('m31r')
  vim.api.nvim_create_user_command('M31RFix', function(command)
    M.fix(command.bang)
  end, { bang = true, desc = 'M31R: fix the error under the cursor, or with ! all of them' })
  if native() then
    vim.lsp.inline_completion.enable()
  else
    local ghost = require('m31r.ghost')
    ghost.enable(options.debounce_ms)
    if options.keys.dismiss then
      map(options.keys.dismiss, ghost.dismiss, 'M31R: dismiss the suggestion')
    end
  end
  if options.keys.accept then
    map(options.keys.accept, M.accept, 'M31R: accept the suggestion')
  end
end

return M
