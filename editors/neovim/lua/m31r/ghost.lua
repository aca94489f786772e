--- Ghost text for a Neovim that has no inline completion of its own (0.11).
---
--- Asked for after a pause in typing, shown as virtual text at the cursor, kept while the user
--- types what it says, hidden while the completion menu is open, gone with any other change.

local menu = require('m31r.menu')
local suggestion = require('m31r.suggestion')

local M = {}

local method = 'textDocument/inlineCompletion'
local namespace = vim.api.nvim_create_namespace('m31r.ghost')
local INVOKED, AUTOMATIC = 1, 2 -- InlineCompletionTriggerKind of LSP 3.18

---@type m31r.Suggestion[]
local offers = {}
local index = 1
---@type { client: vim.lsp.Client, id: integer }?
local pending
local newest = 0
local timer = assert(vim.uv.new_timer())
local debounce_ms = 30
---@type integer?
local drawn

local function hide()
  if drawn and vim.api.nvim_buf_is_valid(drawn) then
    vim.api.nvim_buf_clear_namespace(drawn, namespace, 0, -1)
  end
  drawn = nil
end

local function clear()
  hide()
  offers, index = {}, 1
end

local function cancel()
  timer:stop()
  if pending then
    pending.client:cancel_request(pending.id)
    pending = nil
  end
end

--- Draw the chosen suggestion if it still fits; nothing while the menu is open.
---@param counted? boolean with its number
---@return boolean whether it fits
local function draw(counted)
  hide()
  local offer = offers[index]
  if not offer or not suggestion.rest(offer) then
    return false
  end
  if not menu.visible() then
    drawn = offer.buffer
    suggestion.draw(offer, namespace, counted and (' (%d/%d)'):format(index, #offers) or nil)
  end
  return true
end

---@param buffer integer
---@param kind integer
---@param shown? fun() to do with the answer
local function request(buffer, kind, shown)
  local client = vim.lsp.get_clients({ bufnr = buffer, name = 'm31r', method = method })[1]
  if not client or vim.api.nvim_get_current_buf() ~= buffer then
    return
  end
  local tick = vim.api.nvim_buf_get_changedtick(buffer)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  ---@diagnostic disable-next-line: inject-field
  params.context = { triggerKind = kind }
  newest = newest + 1
  local number = newest
  local sent, id = client:request(method, params, function(error, result)
    if number == newest then
      pending = nil
    end
    local same = vim.api.nvim_get_current_buf() == buffer
      and tick == vim.api.nvim_buf_get_changedtick(buffer)
      and vim.deep_equal(cursor, vim.api.nvim_win_get_cursor(0))
    if error or not result or not same or vim.api.nvim_get_mode().mode:sub(1, 1) ~= 'i' then
      return
    end
    clear()
    for _, item in ipairs(result.items or result) do
      offers[#offers + 1] = suggestion.new(client, buffer, item)
    end
    draw(kind == INVOKED and #offers > 1)
    if shown then
      shown()
    end
  end, buffer)
  if sent then
    pending = { client = client, id = id }
  end
end

--- The suggestion under the cursor.
---@return m31r.Suggestion?
function M.current()
  local offer = offers[index]
  return offer and suggestion.rest(offer) and offer or nil
end

--- Take the suggestion or a part of it.
---@param size m31r.Size
function M.take(size)
  local offer = M.current()
  if not offer then
    return
  end
  cancel()
  if suggestion.take(offer, size) then
    clear()
  else
    draw()
  end
end

--- Show the suggestion `count` further on, around the end.
---@param count integer
function M.select(count)
  for _ = 1, #offers do
    index = (index - 1 + count) % #offers + 1
    if draw(true) then
      return
    end
  end
end

---@return integer
function M.count()
  return #offers
end

--- Ask for several suggestions.
---@param shown? fun() to do with the answer
function M.ask(shown)
  cancel()
  request(vim.api.nvim_get_current_buf(), INVOKED, shown)
end

--- Send the suggestion away.
function M.dismiss()
  cancel()
  clear()
end

--- Keep the suggestion if it still fits, else ask anew after a pause.
---@param buffer integer
local function changed(buffer)
  cancel()
  if draw() then
    return
  end
  clear()
  if menu.visible() or #vim.lsp.get_clients({ bufnr = buffer, name = 'm31r' }) == 0 then
    return
  end
  timer:start(
    debounce_ms,
    0,
    vim.schedule_wrap(function()
      request(buffer, AUTOMATIC)
    end)
  )
end

--- Ask anew if the user is typing.
function M.refresh()
  M.dismiss()
  if vim.api.nvim_get_mode().mode:sub(1, 1) == 'i' then
    changed(vim.api.nvim_get_current_buf())
  end
end

--- Ask while the user types.
---@param options m31r.Options
function M.enable(options)
  debounce_ms = options.debounce_ms
  local group = vim.api.nvim_create_augroup('m31r.ghost', {})
  vim.api.nvim_create_autocmd({ 'TextChangedI', 'CursorMovedI', 'InsertEnter' }, {
    group = group,
    callback = function(event)
      changed(event.buf)
    end,
  })
  vim.api.nvim_create_autocmd(
    { 'InsertLeave', 'BufLeave' },
    { group = group, callback = M.dismiss }
  )
  local function look_again()
    if vim.api.nvim_get_mode().mode:sub(1, 1) == 'i' then
      changed(vim.api.nvim_get_current_buf())
    end
  end
  menu.watch(group, look_again)
  vim.api.nvim_create_autocmd(
    'LspAttach',
    { group = group, callback = vim.schedule_wrap(look_again) }
  )
end

return M
