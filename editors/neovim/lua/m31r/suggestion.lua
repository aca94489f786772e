--- One suggestion: what of it is not in the buffer yet, how that looks, and how it gets there.
---
--- The text of an item may reach over closing brackets that stand behind the cursor already: the
--- text has them too, with more around them. They are neither drawn nor inserted a second time.

local M = {}

---@class m31r.Suggestion
---@field buffer integer
---@field client vim.lsp.Client
---@field command? lsp.Command to run when it was taken
---@field text string all of it; its lines end in \n
---@field taken integer bytes of `text` that stand before `from`
---@field row integer 0-based
---@field from integer byte column where the rest of `text` begins, typed or not
---@field over string what stood behind the cursor and is part of `text`
---@field places? integer[] where in `text` that is; nil when it cannot be found
---@field behind string what follows `over` on its line

---@alias m31r.Size 'all'|'word'|'line'

local closing = { [')'] = '(', [']'] = '[', ['}'] = '{' }

--- Where in `text`, behind its byte `after`, the characters of `over` are: those brackets that
--- nothing in `text` opens, else the last that are alike; nil when they are not there.
---@param text string
---@param after integer
---@param over string
---@return integer[]?
local function find(text, after, over)
  local found, open = {}, {}
  for at = after + 1, #text do
    local byte = text:sub(at, at)
    if #found < #over and closing[byte] and open[#open] ~= closing[byte] then
      if over:sub(#found + 1, #found + 1) == byte then
        found[#found + 1] = at
      end
    elseif closing[byte] then
      open[#open] = nil
    elseif byte:find('[%(%[{]') then
      open[#open + 1] = byte
    end
  end
  if #found == #over then
    return found
  end
  found = {}
  local at = #text
  for i = #over, 1, -1 do
    while at > after and text:byte(at) ~= over:byte(i) do
      at = at - 1
    end
    if at == after then
      return nil
    end
    found[i], at = at, at - 1
  end
  return found
end

--- The suggestion that `item` is, in the buffer of the current window; nil when it does not go on
--- from what stands before the cursor.
---@param client vim.lsp.Client
---@param buffer integer
---@param item table an InlineCompletionItem
---@return m31r.Suggestion?
function M.new(client, buffer, item)
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  row = row - 1
  local line = vim.api.nvim_get_current_line()
  local from, to = column, column
  if item.range then
    if item.range.start.line ~= row or item.range['end'].line ~= row then
      return nil
    end
    local encoding = client.offset_encoding
    from = vim.str_byteindex(line, encoding, item.range.start.character, false)
    to = vim.str_byteindex(line, encoding, item.range['end'].character, false)
  end
  if from > column or to < column then
    return nil
  end
  local text = type(item.insertText) == 'table' and item.insertText.value or item.insertText
  text = text:gsub('\r\n', '\n')
  local over = line:sub(column + 1, to)
  ---@type m31r.Suggestion
  local new = {
    buffer = buffer,
    client = client,
    command = item.command,
    text = text,
    taken = 0,
    row = row,
    from = from,
    over = over,
    places = find(text, column - from, over),
    behind = line:sub(to + 1),
  }
  return M.rest(new) and new or nil
end

---@class m31r.Rest
---@field text string
---@field over string what of it stands behind the cursor
---@field places? integer[] where in `text` that is

--- What is not in the buffer yet; nil when something else was typed, or nothing is left.
---@param suggestion m31r.Suggestion
---@return m31r.Rest?
function M.rest(suggestion)
  if suggestion.buffer ~= vim.api.nvim_get_current_buf() then
    return nil
  end
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local line = vim.api.nvim_get_current_line()
  local to = #line - #suggestion.behind
  if row - 1 ~= suggestion.row or column < suggestion.from or column > to then
    return nil
  end
  local over = line:sub(column + 1, to)
  local typed = line:sub(suggestion.from + 1, column)
  local offset = suggestion.taken + #typed
  local text = suggestion.text:sub(offset + 1)
  if
    line:sub(to + 1) ~= suggestion.behind
    or not vim.endswith(suggestion.over, over)
    or typed ~= suggestion.text:sub(suggestion.taken + 1, offset)
    or text == ''
    or text == over
  then
    return nil
  end
  local places
  if suggestion.places then
    places = {}
    for _, at in ipairs(suggestion.places) do
      if at > offset then
        places[#places + 1] = at - offset
      end
    end
    if #places ~= #over then
      return nil -- a bracket was typed before the one that was there
    end
  end
  return { text = text, over = over, places = places }
end

--- Virtual text does not know tabs.
---@param line string
---@param column integer on the screen, 0-based
---@return string
local function without_tabs(line, column)
  local tabstop = vim.bo.tabstop
  local parts = vim.split(line, '\t', { plain = true })
  local out = parts[1]
  for i = 2, #parts do
    local width = column + vim.fn.strdisplaywidth(out)
    out = out .. (' '):rep(tabstop - width % tabstop) .. parts[i]
  end
  return out
end

--- Draw what is not in the buffer yet; false when that is nothing.
---@param suggestion m31r.Suggestion
---@param namespace integer
---@param hint? string to show behind it
---@return boolean
function M.draw(suggestion, namespace, hint)
  local rest = M.rest(suggestion)
  if not rest then
    return false
  end
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local lines = vim.split(rest.text, '\n', { plain = true })
  local first, screen = #lines[1], vim.fn.virtcol('.') - 1

  ---@param at integer
  ---@param text string
  ---@param options vim.api.keyset.set_extmark
  local function mark(at, text, options)
    options.virt_text = { { text, 'M31RGhost' } }
    options.hl_mode = 'combine'
    vim.api.nvim_buf_set_extmark(suggestion.buffer, namespace, row - 1, at, options)
  end

  local below = {}
  for i = 2, #lines do
    below[#below + 1] = { { without_tabs(lines[i], 0), 'M31RGhost' } }
  end
  local last = below[#below]
  local found, over = rest.places, rest.over
  if found and (found[#found] or 0) <= first and (not last or suggestion.behind == '') then
    -- Around what is there.
    local begin, marks = 1, {}
    for i, at in ipairs(found) do
      if at > begin then
        marks[#marks + 1] = { column + i - 1, lines[1]:sub(begin, at - 1) }
      end
      begin = at + 1
    end
    local tail = lines[1]:sub(begin) .. (not last and hint or '')
    if tail ~= '' or last or #marks == 0 then
      marks[#marks + 1] = { column + #over, tail }
    end
    if last and hint then
      last[#last + 1] = { hint, 'M31RGhost' }
    end
    for i, each in ipairs(marks) do
      local options =
        { virt_text_pos = 'inline', virt_lines = i == #marks and last and below or nil }
      mark(each[1], without_tabs(each[2], screen), options)
    end
    return true
  end

  -- In place of what is there: it goes on at the end of the text.
  local covered = over .. suggestion.behind
  local moved = found and suggestion.behind or covered
  local text = without_tabs(lines[1], screen)
  if last then
    last[#last + 1] = { without_tabs(moved, 0), 'Normal' }
    if hint then
      last[#last + 1] = { hint, 'M31RGhost' }
    end
  else
    text = text .. without_tabs(moved, screen) .. (hint or '')
  end
  local missing = vim.fn.strdisplaywidth(covered, screen) - vim.fn.strdisplaywidth(text, screen)
  local options = { virt_text_pos = 'overlay', virt_lines = last and below or nil }
  mark(column, text .. (' '):rep(missing), options)
  return true
end

--- The part of `rest` that is to be taken.
---@param rest string
---@param size m31r.Size
---@return string
local function part_of(rest, size)
  if size == 'word' then
    -- A word, with blanks and signs before it.
    return rest:match('^%s*[^%w_%s\128-\255]*[%w_\128-\255]*')
  elseif size == 'line' then
    return rest:match('^\n*[^\n]*')
  end
  return rest
end

--- Put the suggestion, or the next part of it, into the buffer, and tell the server. What is left
--- of it goes on from the new cursor.
---@param suggestion m31r.Suggestion
---@param size m31r.Size
---@return boolean whole whether nothing is left
function M.take(suggestion, size)
  local rest = M.rest(suggestion)
  if not rest then
    return true
  end
  local part = part_of(rest.text, size)
  local whole = part == rest.text
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  row = row - 1
  local replaced = 0
  if whole then
    replaced = #rest.over
  else
    for _, at in ipairs(rest.places or {}) do
      replaced = replaced + (at <= #part and 1 or 0)
    end
  end
  local buffer, typed = suggestion.buffer, column - suggestion.from
  vim.bo[buffer].undolevels = vim.bo[buffer].undolevels -- ends what `u` takes back at once
  local lines = vim.split(part, '\n', { plain = true })
  vim.api.nvim_buf_set_text(buffer, row, column, row, column + replaced, lines)
  row, column = row + #lines - 1, #lines[#lines] + (#lines == 1 and column or 0)
  vim.api.nvim_win_set_cursor(0, { row + 1, column })
  suggestion.taken = suggestion.taken + typed + #part
  suggestion.row, suggestion.from = row, column

  local command = suggestion.command
  if command and not whole then
    local characters = vim.str_utfindex(part, 'utf-32')
    local id = (command.arguments or {})[1]
    command = vim.tbl_extend('force', command, { arguments = { id, { characters = characters } } })
  end
  if command then
    suggestion.client:exec_cmd(command, { bufnr = buffer })
  end
  return whole
end

return M
