--- Keys in insert mode that do something with a suggestion, and without one what they did before.
---
--- The mapping is local to buffers that have the server, and goes with it. What it falls back to is
--- the mapping that it took the place of, else the global one of that moment, else the plain key.

local menu = require('m31r.menu')

local M = {}

---@class m31r.Mapped
---@field before? vim.api.keyset.get_keymap the mapping local to the buffer that was there
---@field callback function
---@type table<integer, table<string, m31r.Mapped>>
local mapped = {}

---@type function?
local waiting

--- Run the mapping that cannot be run while an expression is evaluated.
function M.run()
  local callback = waiting
  waiting = nil
  if callback then
    callback()
  end
end

---@param key string
---@return vim.api.keyset.get_keymap?
local function global(key)
  for _, map in ipairs(vim.api.nvim_get_keymap('i')) do
    if vim.keycode(map.lhs) == vim.keycode(key) then
      return map
    end
  end
end

--- What is typed in place of `key` by the mapping `map`, as an expression's value.
---@param key string
---@param map? vim.api.keyset.get_keymap
---@return string
local function through(key, map)
  if not map then
    return vim.keycode(key)
  end
  local right = vim.keycode((map.rhs or ''):gsub('<SID>', ('<SNR>%d_'):format(map.sid)))
  if map.callback and map.expr ~= 1 then
    waiting = map.callback
    return vim.keycode("<Cmd>lua require('m31r.keys').run()<CR>")
  end
  if map.expr == 1 then
    if map.callback then
      right = map.callback()
    else
      right = vim.api.nvim_eval(right)
    end
    right = type(right) == 'string' and right or ''
    right = map.replace_keycodes == 1 and vim.keycode(right) or right
  end
  if map.noremap == 1 then
    return right
  end
  vim.api.nvim_feedkeys(right, 'im', false)
  return ''
end

--- Map `key` in a buffer to `require('m31r')[name]()` while `ready` says so.
---@param buffer integer
---@param key string
---@param name string
---@param ready fun(): boolean
---@param description string
function M.map(buffer, key, name, ready, description)
  local here = vim.api.nvim_buf_call(buffer, function()
    return vim.fn.maparg(key, 'i', false, true)
  end)
  local before = here.buffer == 1 and here or nil
  mapped[buffer] = mapped[buffer] or {}
  local ours = mapped[buffer][key]
  if ours and before and before.callback == ours.callback then
    return
  end
  local function press()
    if not menu.visible() and ready() then
      return vim.keycode(("<Cmd>lua require('m31r').%s()<CR>"):format(name))
    end
    return through(key, before or global(key))
  end
  vim.keymap.set('i', key, press, {
    buffer = buffer,
    expr = true,
    replace_keycodes = false,
    desc = description,
  })
  mapped[buffer][key] = { before = before, callback = press }
end

--- Put back what was there before in a buffer.
---@param buffer integer
function M.unmap(buffer)
  local keys = mapped[buffer] or {}
  mapped[buffer] = nil
  if not vim.api.nvim_buf_is_valid(buffer) then
    return
  end
  vim.api.nvim_buf_call(buffer, function()
    for key, ours in pairs(keys) do
      local now = vim.fn.maparg(key, 'i', false, true)
      if now.buffer == 1 and now.callback == ours.callback then
        vim.keymap.del('i', key, { buffer = buffer })
        if ours.before then
          vim.fn.mapset('i', false, ours.before)
        end
      end
    end
  end)
end

--- Who else has a key in a buffer: a description of the mapping, nil for nobody.
---@param buffer integer
---@param key string
---@return string? owner
---@return boolean? wins whether it is asked before ours
function M.other(buffer, key)
  local ours = (mapped[buffer] or {})[key]
  local here = vim.api.nvim_buf_call(buffer, function()
    return vim.fn.maparg(key, 'i', false, true)
  end)
  local wins = here.buffer == 1 and not (ours and here.callback == ours.callback)
  local map = wins and here or ours and ours.before or global(key)
  if not map then
    return nil
  end
  return map.desc or map.rhs or 'a Lua function', wins
end

return M
