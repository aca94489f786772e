--- Ghost text for Neovim 0.11, which has no inline completion of its own.
---
--- One suggestion at a time: asked for after a pause in typing, shown as virtual text at the
--- cursor, kept while the user types what it says, gone with any other change.

local M = {}

local method = 'textDocument/inlineCompletion'
local namespace = vim.api.nvim_create_namespace('m31r.ghost')
local AUTOMATIC = 2 -- InlineCompletionTriggerKind of LSP 3.18

---@class m31r.Shown
---@field buffer integer
---@field client vim.lsp.Client
---@field command? lsp.Command to run when the suggestion is taken
---@field text string the whole suggestion, what is typed of it already included
---@field row integer 0-based
---@field from integer byte column where `text` begins
---@field column integer byte column of the cursor
---@field to integer byte column after what `text` replaces
---@field after integer bytes of the line behind the cursor
---@type m31r.Shown?
local shown
---@type { client: vim.lsp.Client, id: integer }?
local pending
local timer = assert(vim.uv.new_timer())

local function clear()
  if shown and vim.api.nvim_buf_is_valid(shown.buffer) then
    vim.api.nvim_buf_clear_namespace(shown.buffer, namespace, 0, -1)
  end
  shown = nil
end

local function cancel()
  timer:stop()
  if pending then
    pending.client:cancel_request(pending.id)
    pending = nil
  end
end

---@param text string
---@return string[]
local function lines_of(text)
  return vim.split(text, '\r?\n')
end

--- Draw what is not typed yet behind the cursor; false when that is nothing.
---@param suggestion m31r.Shown
---@return boolean
local function draw(suggestion)
  clear()
  local rest = lines_of(suggestion.text:sub(suggestion.column - suggestion.from + 1))
  if #rest == 1 and rest[1] == '' then
    return false
  end
  local below = {}
  for i = 2, #rest do
    below[#below + 1] = { { rest[i], 'Comment' } }
  end
  vim.api.nvim_buf_set_extmark(suggestion.buffer, namespace, suggestion.row, suggestion.column, {
    virt_text = { { rest[1], 'Comment' } },
    virt_text_pos = 'inline',
    virt_lines = #below > 0 and below or nil,
  })
  shown = suggestion
  return true
end

--- Show `item` if it goes on from what stands before the cursor.
---@param client vim.lsp.Client
---@param buffer integer
---@param item table
local function show(client, buffer, item)
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  row = row - 1
  local line = vim.api.nvim_get_current_line()
  local from, to = column, column
  if item.range then
    if item.range.start.line ~= row or item.range['end'].line ~= row then
      return
    end
    local encoding = client.offset_encoding
    from = vim.str_byteindex(line, encoding, item.range.start.character, false)
    to = vim.str_byteindex(line, encoding, item.range['end'].character, false)
  end
  local text = type(item.insertText) == 'table' and item.insertText.value or item.insertText
  if from > column or to < column or not vim.startswith(text, line:sub(from + 1, column)) then
    return
  end
  draw({
    buffer = buffer,
    client = client,
    command = item.command,
    text = text,
    row = row,
    from = from,
    column = column,
    to = to,
    after = #line - column,
  })
end

--- Keep the suggestion when what was typed is its own next text.
---@return boolean
local function follow()
  local old = shown
  if not old or old.buffer ~= vim.api.nvim_get_current_buf() then
    return false
  end
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local line = vim.api.nvim_get_current_line()
  local same = row - 1 == old.row and column >= old.column and #line - column == old.after
  if not same or not vim.startswith(old.text, line:sub(old.from + 1, column)) then
    return false
  end
  local moved = { column = column, to = old.to + column - old.column }
  return draw(vim.tbl_extend('force', old, moved))
end

---@param buffer integer
local function request(buffer)
  local client = vim.lsp.get_clients({ bufnr = buffer, name = 'm31r', method = method })[1]
  if not client or vim.api.nvim_get_current_buf() ~= buffer then
    return
  end
  local tick = vim.api.nvim_buf_get_changedtick(buffer)
  local cursor = vim.api.nvim_win_get_cursor(0)
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  ---@diagnostic disable-next-line: inject-field
  params.context = { triggerKind = AUTOMATIC }
  local sent, id = client:request(method, params, function(error, result)
    pending = nil
    local same = vim.api.nvim_get_current_buf() == buffer
      and tick == vim.api.nvim_buf_get_changedtick(buffer)
      and vim.deep_equal(cursor, vim.api.nvim_win_get_cursor(0))
    if error or not result or not same or vim.api.nvim_get_mode().mode:sub(1, 1) ~= 'i' then
      return
    end
    clear()
    local item = (result.items or result)[1]
    if item then
      show(client, buffer, item)
    end
  end, buffer)
  if sent then
    pending = { client = client, id = id }
  end
end

--- Put the suggestion into the buffer; false when there is none.
---@return boolean
function M.accept()
  local taken = shown
  if not taken or taken.buffer ~= vim.api.nvim_get_current_buf() then
    return false
  end
  cancel()
  clear()
  local lines = lines_of(taken.text)
  vim.api.nvim_buf_set_text(taken.buffer, taken.row, taken.from, taken.row, taken.to, lines)
  local column = #lines[#lines] + (#lines == 1 and taken.from or 0)
  vim.api.nvim_win_set_cursor(0, { taken.row + #lines, column })
  if taken.command then
    taken.client:exec_cmd(taken.command, { bufnr = taken.buffer })
  end
  return true
end

--- Send the suggestion away; false when there is none.
---@return boolean
function M.dismiss()
  local there = shown ~= nil
  cancel()
  clear()
  return there
end

--- Ask while the user types.
---@param debounce_ms integer
function M.enable(debounce_ms)
  local group = vim.api.nvim_create_augroup('m31r.ghost', {})
  vim.api.nvim_create_autocmd({ 'TextChangedI', 'CursorMovedI', 'InsertEnter' }, {
    group = group,
    callback = function(event)
      cancel()
      if follow() then
        return
      end
      clear()
      if #vim.lsp.get_clients({ bufnr = event.buf, name = 'm31r' }) > 0 then
        timer:start(debounce_ms, 0, vim.schedule_wrap(function()
          request(event.buf)
        end))
      end
    end,
  })
  vim.api.nvim_create_autocmd({ 'InsertLeave', 'BufLeave', 'CompleteChanged' }, {
    group = group,
    callback = function()
      cancel()
      clear()
    end,
  })
end

return M
