// Scripts, compared with redis-server byte for byte: those of popular libraries, and one for each rule of
// the sandbox, of conversions and of the libraries of Redis. Skipped without redis-server.

import { describe, expect, test } from "bun:test";

import { startPair } from "./redis-pair.ts";

const SCRIPTS = new URL("library-scripts/", import.meta.url);
/** A long time, so that the times left differ in their last digits only. */
const WINDOW = "1000000000";

/** The scripts of libraries with the keys and arguments of their calls, which run in this order. */
const CALLS: readonly (readonly [
  script: string,
  keys: readonly string[],
  args: readonly string[],
])[] = [
  ["redlock-lock", ["r1", "r2"], ["me", WINDOW]],
  ["redlock-lock", ["r1", "r2"], ["other", WINDOW]],
  ["redlock-extend", ["r1", "r2"], ["other", WINDOW]],
  ["redlock-extend", ["r1", "r2"], ["me", WINDOW]],
  ["redlock-unlock", ["r1", "r2"], ["other"]],
  ["redlock-unlock", ["r1", "r2"], ["me"]],
  ["rate-limiter-flexible", ["rlflx"], ["1", "1000000"]],
  ["rate-limiter-flexible", ["rlflx"], ["2", "1000000"]],
  ["rate-limit-redis-get", ["rl"], []],
  ["rate-limit-redis-increment", ["rl"], [WINDOW]],
  ["rate-limit-redis-increment", ["rl"], [WINDOW]],
  ["rate-limit-redis-get", ["rl"], []],
  ["fastify-rate-limit", ["fa"], [WINDOW, "2", "false", "false"]],
  ["fastify-rate-limit", ["fa"], [WINDOW, "2", "true", "false"]],
  ["fastify-rate-limit", ["fa"], [WINDOW, "2", "false", "true"]],
  ["fastify-rate-limit", ["fa"], [WINDOW, "2", "false", "true"]],
  ["fastify-rate-limit-read", ["fa"], []],
  ["fastify-rate-limit-read", ["nobody"], []],
  ["redis-rate-allow-n", ["gcra"], ["2", "2", "60", "1", "1700000000"]],
  ["redis-rate-allow-n", ["gcra"], ["2", "2", "60", "1", "1700000001"]],
  ["redis-rate-allow-n", ["gcra"], ["2", "2", "60", "1", "1700000002"]],
  ["redis-rate-allow-at-most", ["gcra"], ["2", "2", "60", "5", "1700000040"]],
  ["redis-rate-allow-at-most", ["gcra"], ["2", "2", "60", "5", "1700000041"]],
  ["limits-incr-expire", ["li"], ["1000000", "2"]],
  ["limits-incr-expire", ["li"], ["1000000", "3"]],
  ["limits-acquire-sliding-window", ["lp", "lc"], ["3", "1000000", "2"]],
  ["limits-acquire-sliding-window", ["lp", "lc"], ["3", "1000000", "2"]],
  ["limits-sliding-window", ["lp", "lc"], ["1000000"]],
  ["limits-clear-keys", ["l*"], []],
  ["limits-sliding-window", ["lp", "lc"], ["1000000"]],
  ["redislock-obtain", ["lock"], ["token:meta", "5", WINDOW]],
  ["redislock-obtain", ["lock"], ["token:more", "5", WINDOW]],
  ["redislock-obtain", ["lock"], ["other:more", "5", WINDOW]],
  ["redislock-pttl", ["lock"], ["token:more"]],
  ["redislock-pttl", ["lock"], ["other"]],
  ["redislock-refresh", ["lock"], ["token:more", WINDOW]],
  ["redislock-release", ["lock"], ["token:meta"]],
  ["redislock-release", ["lock"], ["token:more"]],
  ["redis-py-lock-release", ["py"], ["token"]],
  ["redislock-obtain", ["py"], ["token", "5", WINDOW]],
  ["redis-py-lock-extend", ["py"], ["token", WINDOW, "1"]],
  ["redis-py-lock-extend", ["py"], ["other", WINDOW, "0"]],
  ["redis-py-lock-reacquire", ["py"], ["token", WINDOW]],
  ["redis-py-lock-release", ["py"], ["token"]],
  ["upstash-fixed-window", ["up", ""], ["2", WINDOW, "1"]],
  ["upstash-fixed-window", ["up", ""], ["2", WINDOW, "1"]],
  ["upstash-fixed-window", ["up", ""], ["2", WINDOW, "1"]],
  ["upstash-sliding-window", ["cur", "prev", ""], ["3", "1700000000000", "10000", "2"]],
  ["upstash-sliding-window", ["cur", "prev", ""], ["3", "1700000001000", "10000", "2"]],
];

/** One script a line, without keys. */
const RULES = String.raw`
return 1
return 3.99
return -3.99
return 2^53
return 2^70
return 0/0
return 1/0
return 'a\0b\255'
return true
return false
return nil
return {}
return {1,2,nil,4}
return {1,{2,{3}},'x'}
return {ok='fine'}
return {ok='fi\r\nne'}
return {err='ERR oh'}
return {err='MY code'}
return {err='plain'}
return {double=3.5}
return {double=1e100}
return {big_number='123'}
return {map={a=1}}
return {set={a=true}}
return {verbatim_string={format='txt',string='hi'}}
return function() end
return redis.error_reply('BAD thing')
return redis.error_reply('-BAD thing')
return redis.error_reply('bad')
return redis.error_reply('')
return redis.error_reply(1)
return redis.status_reply('good')
return redis.status_reply()
return redis.sha1hex('abc')
return redis.sha1hex()
return redis.sha1hex(1, 2)
return redis.call('set','a','b')
return redis.call('get','a')
return redis.call('get','nothing')
return redis.call('mget','a','nothing')
return redis.call('incr','a')
return redis.pcall('incr','a')
return redis.pcall('incr','a').err
return {pcall(redis.call,'incr','a')}
return {pcall(error,{err='X y'})}
return {pcall(error,'text')}
return {pcall(error)}
return {pcall(function() error({'x'}) end)}
local r = redis.pcall('nope') return {type(r), r.err, tostring(r.ignore_error_stats_update)}
return redis.call()
return redis.call('nope')
return redis.call('get')
return redis.call('get',{})
return redis.call('get',nil)
return redis.call('set','n',1) and redis.call('get','n')
redis.call('set','n',3.3) return redis.call('get','n')
redis.call('set','n',2^60) return redis.call('get','n')
redis.call('set','n',1e100) return redis.call('get','n')
redis.call('set','n',-0.1) return redis.call('get','n')
redis.call('set','n',1e-7) return redis.call('get','n')
return redis.call('auth','x')
return redis.call('multi')
return redis.call('eval','return 1',0)
return redis.call('exists','a','n')
return redis.call('append','a','x')
redis.setresp(3) return redis.call('get','nothing')
redis.setresp(3) return true
redis.setresp(3) return false
redis.setresp(3) return {double=1.5}
redis.setresp(3) return {map={a=1}}
redis.setresp(4)
redis.setresp()
return {redis.LOG_DEBUG, redis.LOG_VERBOSE, redis.LOG_NOTICE, redis.LOG_WARNING}
return {type(redis.REDIS_VERSION), redis.REDIS_VERSION_NUM >= 0x070000}
redis.log(redis.LOG_DEBUG, 'x')
redis.log(1)
redis.log('x', 'y')
redis.log(9, 'y')
return redis.replicate_commands()
return redis.set_repl(9)
return redis.breakpoint()
x = 1
return y
function f() end
redis.x = 1
string.x = 1
table.insert(redis, 1)
rawset(_G, 'x', 1)
setmetatable(_G, {})
getmetatable(_G).__index = nil
getmetatable('').__index = nil
_G = {}
redis = nil
KEYS = {}
return KEYS[1]
return print
return loadfile
return require
return io
return debug
return loadstring('return 1+1')()
return loadstring(string.dump(function() return 1 end))
return select('#', unpack({1,2,3}))
return table.concat({1,2,3}, ',')
return tostring(2^53)
return tostring(0.1)
return string.format('%5.1f|%d|%s|%q', 3.14159, 42, 'x', 'a"b')
return {string.find('hello world', 'o w')}
return {string.match('key=value', '(%w+)=(%w+)')}
return string.gsub('hello', 'l', {l='L'})
return string.rep('ab', 3)
return math.floor(-3.5)
return math.max(1, 5, 3)
math.randomseed(7) return {math.random(100), math.random(100), math.random(1,6)}
math.randomseed(-5) return tostring(math.random())
return math.random(0)
return math.random(5,1)
return math.random('x')
return math.random(1,2,3)
local co = coroutine.create(function(a) local b = coroutine.yield(a+1) return b*2 end) local _, x = coroutine.resume(co, 1) local _, y = coroutine.resume(co, 10) return {x, y}
local co = coroutine.wrap(function() return redis.call('get','a') end) return co()
error('plain')
error({err='MINE is this'})
error()
error('with level', 0)
error('with level', 2)
local function f() error('inner') end f()
local t = nil; return t.x
return 1 + {}
return #nil
return ('x')()
assert(false)
assert(false, 'message')
return xpcall(function() error('z') end, function(e) return 'handled' end)
return cjson.encode({1,2,3})
return cjson.encode({a=1})
return cjson.encode({})
return cjson.encode(cjson.null)
return cjson.encode(1/0)
return cjson.encode('é\0\n"')
return cjson.encode({[1]=1,[100]=2})
return cjson.encode({1, {2, {3}}, true, false, 1.5, 1e20})
return cjson.decode('[1,2,{"a":null}]')[2]
return tostring(cjson.decode('null') == cjson.null)
return cjson.decode('{bad')
return cjson.decode('')
return cjson.decode('[1.5]')[1] * 2
return cjson.decode('"\\u00e9\\ud83d\\ude00"')
return cjson.encode_max_depth()
local t = {} t[1] = t return cjson.encode(t)
return cmsgpack.pack(1, 'a', {1,2}, {a=1}, true, nil)
return {cmsgpack.unpack(cmsgpack.pack(1, -5, 300, 70000, 2^40, 1.5, 'x', {1,{2}}))}
return cmsgpack.unpack('\193')
return {cmsgpack.unpack_one(cmsgpack.pack(1,2))}
return {cmsgpack.unpack_limit(cmsgpack.pack(1,2,3), 2)}
return struct.pack('>I2<i4s', 1, -2, 'hey')
return {struct.unpack('>I2', '\1\2')}
return struct.size('i4i8d')
return struct.pack('Z', 1)
return {bit.band(0xff, 0x0f), bit.bor(1, 2), bit.bxor(3, 1), bit.bnot(0), bit.lshift(1, 4), bit.rshift(-1, 28), bit.arshift(-8, 1)}
return bit.tohex(255)
return {bit.tobit(2^32 + 5), bit.rol(1, 31), bit.ror(1, 1), bit.bswap(0x01020304)}
return collectgarbage('count') > 0
return type(tostring(redis.call))
return {type(_VERSION), _VERSION}
return unpack({1,2,3}, 2)
return next({})
return rawequal(redis, redis)
if then
return 1 +
return "unfinished
#!lua
#!lua flags=no-writes
#!lua flags=bad
#!python
#!lua x=1
return redis.call('ping')
return redis.call('echo','hi')
return redis.call('dbsize')
return redis.call('select', 1)
return redis.call('type', 'a')
return redis.acl_check_cmd('get','a')
return redis.acl_check_cmd('nope')
return redis.call('getrange','a',0,-1)
return redis.call('setex','e',100,'v') and redis.call('ttl','e')
return redis.call('set','a','b','xx','get')
return redis.call('incrbyfloat','float','1.5')
return ARGV
return #ARGV
`
  .split("\n")
  .filter((line) => line !== "");

describe.skipIf(Bun.which("redis-server") === null)(
  "scripts reply as those of redis-server do, byte for byte",
  () => {
    test("of popular libraries", async () => {
      await using pair = await startPair();
      for (const [name, keys, args] of CALLS) {
        const text = await Bun.file(new URL(`${name}.lua`, SCRIPTS)).text();
        // The time of a server.
        const script = text.replace('redis.call("TIME")', '{ARGV[5], "0"}');
        // A flag that only Upstash has is not for redis-server.
        const known = script.replace(" flags=allow-key-locking", "");
        const call = [keys.length, ...keys, ...args];
        const [redis, ours] = await pair.send(["EVAL", known, ...call]);
        expect([name, args, withoutTimes(ours)]).toEqual([name, args, withoutTimes(redis)]);
        expect(ours).not.toMatch(/^-/);
      }
    });

    for (const version of [2, 3]) {
      test(`of every rule, in version ${version}`, async () => {
        await using pair = await startPair();
        await pair.skip(["HELLO", version]);
        for (const line of RULES) {
          for (const words of [
            ["EVAL", line, 0],
            ["EVAL_RO", line, 1, "k", "v"],
          ]) {
            const [redis, ours] = await pair.send(words);
            expect([words, ours]).toEqual([words, redis]);
          }
        }
      });
    }

    test("of wrong calls, and of the cache of scripts", async () => {
      await using pair = await startPair();
      const sha = new Bun.CryptoHasher("sha1").update("return ARGV[1]").digest("hex");
      const calls = [
        ["EVAL"],
        ["EVAL", "return 1"],
        ["EVAL", "return 1", "x"],
        ["EVAL", "return 1", "-1"],
        ["EVAL", "return 1", "2", "k"],
        ["EVAL", "return {#KEYS, #ARGV}", "2", "a", "b", "c"],
        ["EVALSHA", "short", 0],
        ["EVALSHA", sha, 0, "x"],
        ["SCRIPT", "EXISTS", sha, "nothing"],
        ["SCRIPT", "LOAD", "return ARGV[1]"],
        ["SCRIPT", "EXISTS", sha, sha.toUpperCase()],
        ["EVALSHA", sha, 0, "x"],
        ["EVALSHA", sha.toUpperCase(), 0, "y"],
        ["EVALSHA_RO", sha, 1, "k", "z"],
        ["SCRIPT", "LOAD", "return +"],
        ["SCRIPT", "FLUSH"],
        ["EVALSHA", sha, 0, "x"],
        ["EVAL", "return ARGV[1]", 0, "x"],
        ["EVALSHA", sha, 0, "x"],
        ["SCRIPT", "FLUSH", "ASYNC"],
        ["SCRIPT", "FLUSH", "LATER"],
        ["SCRIPT", "EXISTS"],
        ["SCRIPT", "LOAD"],
        ["SCRIPT", "KILL"],
        ["SELECT", 3],
        ["EVAL", "redis.call('set', KEYS[1], 'three') return KEYS", 1, "db"],
        ["EVAL", "redis.call('select', 4) return redis.call('set', 'db', 'four')", 0],
        ["GET", "db"],
        ["SELECT", 4],
        ["GET", "db"],
      ];
      for (const words of calls) {
        const [redis, ours] = await pair.send(words);
        expect([words, ours]).toEqual([words, redis]);
      }
    });

    test("in a transaction", async () => {
      await using pair = await startPair();
      const [redis, ours] = await pair.sendRaw(
        [
          "MULTI",
          `EVAL "redis.call('set', KEYS[1], 'in') return redis.call('get', KEYS[1])" 1 m`,
          `EVAL "return redis.call('nope')" 0`,
          `EVAL "redis.call('set', 'undeclared', 1) return redis.call('dbsize')" 1 m`,
          ...["GET m", "EXEC", "QUIT", ""],
        ].join("\r\n"),
      );
      expect(ours).toBe(redis);
    });
  },
);

/** Replaces numbers that are the rest of the long time. */
function withoutTimes(reply: string): string {
  return reply.replace(/\b(1000000000|9999\d{5}|19999\d{5}|2000000000)\b/g, "TIME");
}
