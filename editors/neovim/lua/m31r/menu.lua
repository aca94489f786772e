--- The completion menu: Neovim's own, or the window of nvim-cmp or blink.cmp.

local M = {}

--- Ask a plugin that is loaded already.
---@param module string
---@param question string
---@return boolean
local function says(module, question)
  local loaded = package.loaded[module]
  if type(loaded) ~= 'table' then
    return false
  end
  local done, answer = pcall(function()
    return loaded[question]()
  end)
  return done and answer == true
end

---@return boolean
function M.visible()
  return vim.fn.pumvisible() == 1 or says('cmp', 'visible') or says('blink.cmp', 'is_menu_visible')
end

--- Call `changed` when the menu has opened or closed.
---@param group integer
---@param changed fun()
function M.watch(group, changed)
  local later = vim.schedule_wrap(changed)
  vim.api.nvim_create_autocmd({ 'CompleteChanged', 'CompleteDone' }, {
    group = group,
    callback = later,
  })
  vim.api.nvim_create_autocmd('User', {
    group = group,
    pattern = { 'BlinkCmpMenuOpen', 'BlinkCmpMenuClose' },
    callback = later,
  })
  -- nvim-cmp is there at the latest when insert mode is entered.
  local listening = false
  vim.api.nvim_create_autocmd('InsertEnter', {
    group = group,
    callback = function()
      local cmp = package.loaded['cmp']
      if not listening and type(cmp) == 'table' and cmp.event then
        listening = true
        pcall(function()
          cmp.event:on('menu_opened', later)
          cmp.event:on('menu_closed', later)
        end)
      end
    end,
  })
end

return M
