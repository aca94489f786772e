--- :checkhealth m31r

local M = {}

---@param words string[]
---@return vim.SystemCompleted?
local function output(words)
  local done, result = pcall(function()
    return vim.system(words, { text = true, env = { COLUMNS = '400' } }):wait(60000)
  end)
  return done and result or nil
end

local function check_neovim()
  local health = vim.health
  health.start('Neovim')
  local version = tostring(vim.version())
  if vim.fn.has('nvim-0.11') == 0 then
    health.error('Neovim ' .. version .. ' is too old', 'M31R needs 0.11 or newer')
    return
  end
  local way = require('m31r').native() and 'through its own inline completion' or 'drawn by M31R'
  health.ok(('Neovim %s; ghost text is %s'):format(version, way))
  if vim.o.termguicolors or vim.fn.has('gui_running') == 1 then
    health.ok("'termguicolors' is set")
  else
    health.info("without 'termguicolors' ghost text may look like any other text")
  end
end

---@param options m31r.Options
---@return boolean
local function check_server(options)
  local health = vim.health
  health.start('Server')
  local program = options.cmd[1]
  if vim.fn.executable(program) == 0 then
    health.error(program .. ' is not found', {
      'install M31R, and name its program: require("m31r").setup({ cmd = { "…/m31r-lsp" } })',
    })
    return false
  end
  local result = output(require('m31r.command').program('--version'))
  if result and result.code == 0 then
    health.ok(('%s, %s'):format(vim.trim(result.stdout), vim.fn.exepath(program)))
  else
    health.error(program .. ' does not start', vim.trim(result and result.stderr or ''))
    return false
  end
  local clients = vim.lsp.get_clients({ name = 'm31r' })
  if #clients == 0 then
    health.info('no Rust buffer has the server yet')
  end
  for _, client in ipairs(clients) do
    local buffers = vim.tbl_count(client.attached_buffers)
    local answer =
      client:request_sync('workspace/executeCommand', { command = 'm31r.status' }, 5000)
    local status = answer and answer.result
    local where = ('client %d, %d buffer(s)'):format(client.id, buffers)
    if type(status) ~= 'table' then
      health.warn(where .. ': no answer', ':M31R log shows what the server says, :M31R restart')
    elseif status.state == 'failed' then
      health.error(('%s: %s'):format(where, status.message))
    else
      health.ok(('%s: %s, %s'):format(where, status.state, status.message))
      health.info('model: ' .. tostring(status.model))
    end
  end
  return true
end

local function check_doctor()
  local health = vim.health
  health.start('m31r-lsp doctor')
  local result = output(require('m31r.command').program('doctor'))
  if not result then
    health.warn('it did not end')
    return
  end
  local right, advice = {}, nil
  local findings = {} ---@type { state: string, text: string, advice: string[] }[]
  for line in vim.gsplit(vim.trim(result.stdout), '\n') do
    local state, what, detail = line:match('^(%l+)%s+(.-)%s%s+(.+)$')
    if state == 'ok' or state == 'warning' or state == 'broken' then
      advice = {}
      local text = ('%s: %s'):format(what, vim.trim(detail))
      findings[#findings + 1] = { state = state, text = text, advice = advice }
    elseif advice and vim.trim(line) ~= '' then
      advice[#advice + 1] = vim.trim(line)
    end
  end
  for _, each in ipairs(findings) do
    if each.state == 'ok' then
      right[#right + 1] = each.text
    elseif each.state == 'warning' then
      health.warn(each.text, each.advice)
    else
      health.error(each.text, each.advice)
    end
  end
  if #right > 0 then
    health.ok(table.concat(right, '\n'))
  elseif #findings == 0 then
    health.warn('it says: ' .. vim.trim(result.stdout .. result.stderr))
  end
end

---@param options m31r.Options
local function check_keys(options)
  local health = vim.health
  health.start('Keys')
  local client = vim.lsp.get_clients({ name = 'm31r' })[1]
  local buffer = client and next(client.attached_buffers)
  local names = vim.tbl_keys(options.keys)
  table.sort(names)
  for _, name in ipairs(names) do
    local key = options.keys[name]
    if not key then
      health.info(name .. ': no key')
    elseif not buffer then
      health.info(('%s: %s, once a Rust buffer is open'):format(name, key))
    else
      local other, wins = require('m31r.keys').other(buffer, key)
      if wins then
        health.warn(('%s: %s was mapped after M31R: %s'):format(name, key, other), {
          'it must call require("m31r").' .. name .. '() itself, or use another key in setup()',
        })
      elseif other then
        health.ok(('%s: %s; without a suggestion: %s'):format(name, key, other))
      else
        health.ok(('%s: %s'):format(name, key))
      end
    end
  end
end

function M.check()
  check_neovim()
  local options = require('m31r').options
  if not options then
    vim.health.start('Server')
    vim.health.warn('require("m31r").setup() was not called')
    return
  end
  if check_server(options) then
    check_doctor()
  end
  check_keys(options)
end

return M
