-- Completes the sandbox of a new interpreter: the functions of redis.*, pcall and the random numbers as
-- Redis 7 has them, and the handler of errors, which this chunk returns. `host` has the functions of the
-- service. The service locks the tables afterwards.
local host = ...
local error, rawpcall, select, tonumber, tostring, type = error, pcall, select, tonumber, tostring, type
local find, gsub, match, sub = string.find, string.gsub, string.match, string.sub
local ceil, floor = math.ceil, math.floor

-- An error as redis.pcall returns it.
local function failure(text)
  return { err = 'ERR ' .. text }
end

-- The same of a text that begins with "-" and may have a code.
local function coded(text)
  text = match(text, '^[^%z]*')
  local at = find(text, ' ', 1, true)
  local code = at and sub(text, 2, at - 1) or 'ERR'
  local message = gsub(sub(text, at and at + 1 or 2), '^[\r\n]+', '')
  return { err = code .. ' ' .. gsub(message, '[\r\n]+$', '') }
end

local redis = {
  LOG_DEBUG = 0,
  LOG_VERBOSE = 1,
  LOG_NOTICE = 2,
  LOG_WARNING = 3,
  REPL_NONE = 0,
  REPL_AOF = 1,
  REPL_SLAVE = 2,
  REPL_REPLICA = 2,
  REPL_ALL = 3,
  REDIS_VERSION = host.version,
  REDIS_VERSION_NUM = host.version_number,
}

function redis.sha1hex(...)
  if select('#', ...) ~= 1 then error(failure('wrong number of arguments')) end
  return host.sha1hex(...)
end

function redis.error_reply(...)
  local text = ...
  if select('#', ...) ~= 1 or type(text) ~= 'string' then
    return failure('wrong number or type of arguments')
  end
  return coded(sub(text, 1, 1) == '-' and text or '-' .. text)
end

function redis.status_reply(...)
  local text = ...
  if select('#', ...) ~= 1 or type(text) ~= 'string' then
    return failure('wrong number or type of arguments')
  end
  return { ok = text }
end

function redis.log(...)
  local level = ...
  if select('#', ...) < 2 then error(failure('redis.log() requires two arguments or more.')) end
  level = tonumber(level)
  if not level then error(failure('First argument must be a number (log level).')) end
  if level <= -1 or level >= 4 then error(failure('Invalid debug level.')) end
  local text = ''
  for n = 2, select('#', ...) do
    local part = select(n, ...)
    if type(part) == 'string' or type(part) == 'number' then
      text = text .. (n > 2 and ' ' or '') .. part
    end
  end
  host.log(level, text)
end

function redis.setresp(...)
  if select('#', ...) ~= 1 then error(failure('redis.setresp() requires one argument.')) end
  local version = tonumber((...))
  if version then version = floor(version) end
  if version ~= 2 and version ~= 3 then error(failure('RESP version must be 2 or 3.')) end
  host.setresp(version)
end

function redis.set_repl(...)
  if select('#', ...) ~= 1 then error(failure('redis.set_repl() requires two arguments.')) end
  local flags = tonumber((...)) or 0
  if flags <= -1 or flags >= 4 then
    error(failure('Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.'))
  end
end

function redis.replicate_commands()
  return true
end

function redis.breakpoint()
  return false
end

function redis.debug() end

-- A function of the interpreter keeps its place on the stack in `return redis.log(…)`, and the error tells
-- the line of the script.
for name, value in pairs(redis) do
  if type(value) == 'function' then redis[name] = host.native(value) end
end
redis.call = host.call
redis.pcall = host.pcall
redis.acl_check_cmd = host.acl_check_cmd
_G.redis = redis

-- Returns the text of an error that is a table, as older scripts expect.
local function finish(ok, problem, ...)
  if ok or type(problem) ~= 'table' then return ok, problem, ... end
  local text = problem.err
  if type(text) == 'string' or type(text) == 'number' then return false, text end
  return false, problem
end

function _G.pcall(...)
  return finish(rawpcall(...))
end

local function integer(position, name, ...)
  local given = select(position, ...)
  local value = tonumber(given)
  if not value then
    local text = "bad argument #%d to '%s' (number expected, got %s)"
    error(text:format(position, name, position > select('#', ...) and 'no value' or type(given)), 4)
  end
  return value < 0 and ceil(value) or floor(value)
end

math.random = host.native(function(...)
  local count = select('#', ...)
  local part = host.random()
  if count == 0 then return part end
  if count > 2 then error('wrong number of arguments', 3) end
  local last = integer(count, 'random', ...)
  local first = count == 2 and integer(1, 'random', ...) or 1
  if first > last then
    error(("bad argument #%d to 'random' (interval is empty)"):format(count), 3)
  end
  return floor(part * (last - first + 1)) + first
end)

math.randomseed = host.native(function(...)
  host.randomseed(integer(1, 'randomseed', ...))
end)

getmetatable(_G).__index = function(_, name)
  if type(name) ~= 'string' and type(name) ~= 'number' then
    error('Second argument to luaProtectedTableError must be a string or number', 2)
  end
  error("Script attempted to access nonexistent global variable '" .. name .. "'", 2)
end

-- Adds the place in the script to an error.
return function(problem)
  if type(problem) ~= 'table' then problem = { err = 'ERR ' .. tostring(problem) } end
  local source, line = host.place()
  if source then
    problem.source = source
    problem.line = line
  end
  return problem
end
