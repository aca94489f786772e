--- Ghost text with Neovim's own inline completion (0.12).
---
--- Neovim asks, keeps the items and chooses among them, so that `vim.lsp.inline_completion.get()`
--- and `select()` do what they always do. For our items we change how long it waits, that an item
--- stays while it is typed, how one that reaches over brackets looks and is inserted, and that
--- nothing is drawn over the completion menu. That leans on names that Neovim does not promise:
--- where one of them is missing, `usable` says so and m31r.ghost does all of it.

local menu = require('m31r.menu')
local suggestion = require('m31r.suggestion')

local M = {}

local INVOKED, AUTOMATIC = 1, 2 -- InlineCompletionTriggerKind of LSP 3.18
local namespace = vim.api.nvim_create_namespace('nvim.lsp.inline_completion')
local debounce_ms = 30

--- Neovim's class of what is shown in a buffer; nil when it is not as we know it.
---@return table?
local function class()
  local found = vim.tbl_get(vim.lsp, '_capability', 'all', 'inline_completion')
  local methods = {
    'abort',
    'accept',
    'automatic_request',
    'count_items',
    'get_item',
    'handler',
    'hide',
    'request',
    'reset_timer',
    'select',
    'show',
  }
  for _, name in ipairs(methods) do
    if type(found) ~= 'table' or type(found[name]) ~= 'function' then
      return nil
    end
  end
  return type(found.active) == 'table' and found or nil
end

---@return boolean
function M.usable()
  return vim.lsp.inline_completion ~= nil and class() ~= nil
end

---@param client_id? integer
---@return vim.lsp.Client?
local function ours(client_id)
  local client = client_id and vim.lsp.get_client_by_id(client_id)
  return client and client.name == 'm31r' and client or nil
end

--- The suggestion behind Neovim's `item`, nil for that of another server.
---@param completor table
---@param item? { _index: integer, client_id: integer }
---@return m31r.Suggestion?
local function behind(completor, item)
  if not item or not ours(item.client_id) then
    return nil
  end
  local _, received = completor:get_item(item._index)
  return received and received.m31r
end

--- Change what Neovim does in one buffer; see above.
---@param completor table
local function adapt(completor)
  if completor.m31r then
    return
  end
  completor.m31r = true
  local plain = getmetatable(completor)
  local hint ---@type string?

  function completor:handler(error, result, context)
    local client = ours(context.client_id)
    if not client then
      return plain.handler(self, error, result, context)
    end
    local late = context.version ~= vim.lsp.util.buf_versions[self.bufnr]
    local here = vim.api.nvim_get_current_buf() == self.bufnr
    if error or not result or late or not here then
      return -- a newer request is under way
    end
    local items = {}
    for _, item in ipairs(result.items or result) do
      item.m31r = suggestion.new(client, self.bufnr, item)
      items[#items + 1] = item.m31r and item
    end
    plain.handler(self, nil, { items = items }, context)
    local asked = self.asked
    self.asked = nil
    if asked then
      asked()
    end
  end

  function completor:show(index_hint)
    local offer = behind(self, self.current)
    if not offer then
      return plain.show(self, index_hint)
    end
    self:hide()
    hint = index_hint
    if not suggestion.rest(offer) then
      self.current = nil
    elseif not menu.visible() then
      suggestion.draw(offer, namespace, hint)
    end
  end

  function completor:accept(item)
    local offer = behind(self, item)
    if not offer then
      return plain.accept(self, item)
    end
    suggestion.take(offer, 'all')
  end

  function completor:automatic_request()
    for client_id in pairs(self.client_state) do
      if not ours(client_id) then
        return plain.automatic_request(self)
      end
    end
    self.asked = nil
    self:reset_timer()
    self:show()
    if not self.current and not menu.visible() then
      self.timer = vim.defer_fn(function()
        self:request(AUTOMATIC)
      end, debounce_ms)
    end
  end
end

---@param buffer? integer
---@return table?
local function completor_of(buffer)
  local known = class()
  local completor = known and known.active[buffer or vim.api.nvim_get_current_buf()]
  if completor then
    adapt(completor)
  end
  return completor
end

--- The suggestion under the cursor, if it is ours.
---@return m31r.Suggestion?
function M.current()
  local completor = completor_of()
  local offer = completor and behind(completor, completor.current)
  return offer and suggestion.rest(offer) and offer or nil
end

--- Take the suggestion or a part of it.
---@param size m31r.Size
function M.take(size)
  local completor, offer = completor_of(), M.current()
  if not completor or not offer then
    return
  end
  if suggestion.take(offer, size) then
    completor:abort()
  else
    completor:show()
  end
end

--- Show the suggestion `count` further on, around the end.
---@param count integer
function M.select(count)
  vim.lsp.inline_completion.select({ count = count })
end

---@return integer
function M.count()
  local completor = completor_of()
  return completor and completor:count_items() or 0
end

--- Ask for several suggestions.
---@param shown? fun() to do with the answer
function M.ask(shown)
  local completor = completor_of()
  if completor then
    completor:reset_timer()
    completor.asked = function()
      if completor:count_items() > 1 and completor.current then
        completor:select(1, true)
      end
      if shown then
        shown()
      end
    end
    completor:request(INVOKED)
  end
end

--- Send the suggestion away.
function M.dismiss()
  local completor = completor_of()
  if completor then
    completor:abort()
  end
end

local function look_again()
  local completor = completor_of()
  if completor and vim.api.nvim_get_mode().mode:sub(1, 1) == 'i' then
    completor:automatic_request()
  end
end

--- Ask anew if the user is typing.
function M.refresh()
  M.dismiss()
  look_again()
end

--- Ask while the user types in buffers that have the server.
---@param options m31r.Options
function M.enable(options)
  debounce_ms = options.debounce_ms
  local group = vim.api.nvim_create_augroup('m31r.native', {})
  vim.api.nvim_create_autocmd('LspAttach', {
    group = group,
    callback = function(event)
      if ours(event.data.client_id) then
        vim.lsp.inline_completion.enable(true, { bufnr = event.buf })
        -- Neovim makes its own preparations in between.
        vim.schedule(vim.schedule_wrap(look_again))
      end
    end,
  })
  vim.api.nvim_create_autocmd('InsertEnter', {
    group = group,
    callback = function(event)
      completor_of(event.buf)
    end,
  })
  menu.watch(group, look_again)
end

return M
