--- :M31R and what it can do.

local M = {}

---@param text string
---@param level? integer
local function say(text, level)
  vim.notify(text, level or vim.log.levels.INFO, { title = 'M31R' })
end

--- The server of the current buffer, else any.
---@return vim.lsp.Client?
local function client()
  return vim.lsp.get_clients({ bufnr = 0, name = 'm31r' })[1]
    or vim.lsp.get_clients({ name = 'm31r' })[1]
end

--- Have the server do one of its commands.
---@param command string
---@param done fun(result: any)
local function execute(command, done)
  local server = client()
  if not server then
    say('no server runs; open a Rust file, or see :checkhealth m31r', vim.log.levels.WARN)
    return
  end
  server:request('workspace/executeCommand', { command = command }, function(error, result)
    if error then
      say(error.message or vim.inspect(error), vim.log.levels.ERROR)
    else
      done(result)
    end
  end)
end

--- The command line of the server's program for one of its other uses.
---@param ... string
---@return string[]
function M.program(...)
  local options = require('m31r').options
  local server = options and options.cmd or { 'm31r-lsp' }
  local words, model = {}, nil
  for i, word in ipairs(server) do
    if word == '--model' then
      model = server[i + 1]
    end
  end
  for _, word in ipairs(server) do
    if vim.startswith(word, '-') and word ~= '-m' then
      break
    end
    words[#words + 1] = word
  end
  model = model or (options and options.settings.model)
  vim.list_extend(words, { ... })
  if type(model) == 'string' then
    vim.list_extend(words, { '--model', model })
  end
  return words
end

--- Show what the program prints.
---@param name string
local function print_of(name)
  local words = M.program(name)
  local done = function(result)
    local text = vim.trim(result.stdout .. result.stderr)
    say(text, result.code == 0 and vim.log.levels.INFO or vim.log.levels.ERROR)
  end
  local environment = { COLUMNS = tostring(vim.o.columns) }
  local started, problem = pcall(function()
    vim.system(words, { text = true, env = environment }, vim.schedule_wrap(done))
  end)
  if not started then
    say(('%s does not start: %s'):format(words[1], problem), vim.log.levels.ERROR)
  end
end

---@param status table
---@return string
local function lines_of(status)
  local function list(values)
    return #values == 0 and 'none' or table.concat(values, ', ')
  end
  local counts = status.statistics or {}
  local lines = {
    ('%s (m31r-lsp %s)'):format(status.message, status.version or '?'),
    'model: ' .. (type(status.model) == 'string' and status.model or 'none'),
    'workspace: ' .. list(status.workspace or {}),
    ('in this session: %d shown, %d accepted, %d kept, %d characters'):format(
      counts.shown or 0,
      counts.accepted or 0,
      counts.kept or 0,
      counts.characters or 0
    ),
  }
  local index = status.index
  if type(index) == 'table' then
    lines[#lines + 1] = ('index: %s files, %s items, %s names'):format(
      index.files,
      index.items,
      index.names
    )
  end
  return table.concat(lines, '\n')
end

--- Start the server again in the buffers that have it.
local function restart()
  local servers = vim.lsp.get_clients({ name = 'm31r' })
  if #servers == 0 then
    vim.lsp.enable('m31r')
    return
  end
  for _, server in ipairs(servers) do
    local buffers = vim.tbl_keys(server.attached_buffers)
    server:stop()
    local tries = 0
    local function again()
      tries = tries + 1
      if not server:is_stopped() then
        if tries == 60 then
          server:stop(true)
        end
        vim.defer_fn(again, 50)
        return
      end
      for _, buffer in ipairs(buffers) do
        if vim.api.nvim_buf_is_loaded(buffer) then
          vim.lsp.start(server.config, { bufnr = buffer })
        end
      end
      say('the server was started again')
    end
    again()
  end
end

--- The file that the server writes to, else Neovim's, which has what the server says.
---@return string
local function log_file()
  local options = require('m31r').options
  local words = options and options.cmd or {}
  for i, word in ipairs(words) do
    if word == '--log-file' then
      return words[i + 1]
    end
  end
  return vim.lsp.log.get_filename()
end

---@type table<string, fun()>
local commands = {
  status = function()
    execute('m31r.status', function(status)
      say(lines_of(status))
    end)
  end,
  toggle = function()
    execute('m31r.toggle', function(result)
      require('m31r').dismiss()
      say('ghost text is ' .. (result.enabled and 'on' or 'off'))
    end)
  end,
  restart = restart,
  log = function()
    vim.cmd.tabedit({ vim.fn.fnameescape(log_file()), magic = { file = false } })
  end,
  stats = function()
    print_of('stats')
  end,
  clear = function()
    execute('m31r.clearCache', function()
      require('m31r').dismiss()
      say('what the server remembered of suggestions is forgotten')
    end)
  end,
  fix = function()
    require('m31r').fix()
  end,
  fixall = function()
    require('m31r').fix(true)
  end,
  doctor = function()
    print_of('doctor')
  end,
}

--- `:M31R {word}`; without a word, status.
---@param words string[]
function M.run(words)
  local word = words[1] or 'status'
  local command = commands[word == 'fix!' and 'fixall' or word]
  if not command or #words > 1 then
    local known = vim.tbl_keys(commands)
    table.sort(known)
    say(':M31R takes one of ' .. table.concat(known, ', '), vim.log.levels.ERROR)
    return
  end
  command()
end

---@param lead string
---@return string[]
function M.complete(lead)
  local known = vim.tbl_filter(function(name)
    return vim.startswith(name, lead)
  end, vim.tbl_keys(commands))
  table.sort(known)
  return known
end

return M
