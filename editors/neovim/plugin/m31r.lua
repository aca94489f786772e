-- :M31R and :M31RFix. Nothing else happens before require('m31r').setup().

if vim.g.loaded_m31r then
  return
end
vim.g.loaded_m31r = true

vim.api.nvim_create_user_command('M31R', function(command)
  require('m31r.command').run(command.fargs)
end, {
  nargs = '*',
  complete = function(lead)
    return require('m31r.command').complete(lead)
  end,
  desc = 'M31R: status, toggle, restart, log, stats, clear, fix, fixall, doctor',
})

vim.api.nvim_create_user_command('M31RFix', function(command)
  require('m31r').fix(command.bang)
end, { bang = true, desc = 'M31R: fix the error under the cursor, or with ! all of them' })
