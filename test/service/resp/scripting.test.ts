// The bounds of scripts, their isolation, their access, and the scripts that workers share.

import { describe, expect, test } from "bun:test";

import { freePort, serveRedis, startService } from "../../lib/service.ts";
import { type Conversation, converse } from "./conversation.ts";

const FULL = "full-token";
const READ = "read-token";

/** Each would run or grow for ever, and the reply that ends it. */
const ENDLESS: Readonly<Record<string, string>> = {
  "a loop": "while true do end",
  "a loop that catches errors": "while true do pcall(function() while true do end end) end",
  "a loop in a coroutine": "coroutine.wrap(function() while true do end end)()",
  "a loop of commands": "while true do redis.call('get', KEYS[1]) end",
  "a loop that logs": "while true do redis.log(redis.LOG_WARNING, string.rep('x', 2000)) end",
  "a pattern with nested repetitions":
    "return string.find(string.rep('a', 40), string.rep('a?', 40) .. string.rep('a', 40))",
  "a search in long strings":
    "local a = string.rep('a', 5e6) while true do string.find(a, string.rep('a', 1e6) .. 'b', 1, true) end",
  "an empty string that is repeated": "return string.rep('', 2^31 - 1) .. string.rep('', 2^31 - 1)",
  "a string of a gigabyte": "return #string.rep('x', 2^30)",
  "a string that doubles": "local s = 'x' while true do s = s .. s end",
  "a table that grows": "local t = {} while true do t[#t + 1] = string.rep('x', 1e5) .. #t end",
  "values that grow in JSON":
    "local t = {string.rep('x', 1e5)} for n = 1, 900 do t = {t, t} end return #cjson.encode(t)",
  "a sort with a wrong order":
    "local t = {} for n = 1, 1e6 do t[n] = n % 7 end while true do table.sort(t, function(a, b) return a > b end) end",
};
const ENDED = /script ran longer|not enough memory|no room|Error running script/;

describe("a script that would run or grow for ever ends with an error, and the next one runs", () => {
  for (const [name, script] of Object.entries(ENDLESS)) {
    test(name, async () => {
      await using service = serveRedis(["--script-timeout", "300ms"]);
      using client = await converse(service.port);
      const reply = await client.say(["EVAL", script, "1", "k"]);
      expect(reply).toMatch(/^-/);
      expect(reply).toMatch(ENDED);
      expect(await client.say(["EVAL", "return 'next'", "0"])).toBe("$4 next");
    });
  }
});

test("deep recursion and deep results end with errors", async () => {
  await using service = serveRedis();
  using client = await converse(service.port);
  const say = (script: string) => client.say(["EVAL", script, "0"]);
  expect(await say("local function f() return 1 + f() end return f()")).toContain("stack overflow");
  expect(await say("local t = {} t[1] = t return t")).toContain("reached lua stack limit");
  const nested = "string.gsub('x', 'x', function() return f() end)";
  expect(await say(`local f f = function() return ${nested} end return f()`)).toMatch(/^-/);
  expect(await say("return 'next'")).toBe("$4 next");
});

test("the memory of a script counts to --max-pending-bytes, and is free after it", async () => {
  await using service = serveRedis(["--max-pending-bytes", "8mb"]);
  using client = await converse(service.port);
  const say = (script: string) => client.say(["EVAL", script, "0"]);
  // Six MiB of each worker do not count.
  for (let n = 0; n < 20; n++) {
    expect(await say("return #string.rep(string.rep('x', 1000), 2000)")).toBe(":2000000");
    const tooLong = await say("return #string.rep(string.rep('x', 1000), 20000)");
    expect(tooLong).toContain("no room for the values of the script");
    expect(await say("return select(2, pcall(string.rep, string.rep('x', 1000), 20000))")).toBe(
      tooLong,
    );
  }
});

test("a script that is ended keeps its writes, and says so", async () => {
  await using service = serveRedis(["--script-timeout", "50ms"]);
  using client = await converse(service.port);
  const script = "redis.call('set', KEYS[1], 'half') while true do end";
  expect(await client.say(["EVAL", script, "1", "k"])).toContain("its writes so far stay");
  expect(await client.say("GET k")).toBe("$4 half");
});

test("nothing of a script is visible to the next one", async () => {
  await using service = serveRedis();
  using client = await converse(service.port);
  const say = (script: string) => client.say(["EVAL", script, "1", "k", "v"]);
  for (const script of [
    "KEYS.x = 1 ARGV.x = 1 KEYS[2] = 'more' return #KEYS",
    "math.randomseed(1) return 1",
    "redis.setresp(3) return 1",
    "collectgarbage('stop') return 1",
    "pcall(function() string.x = 1 end) pcall(function() cjson.x = 1 end) return 1",
  ]) {
    expect(await say(script)).toMatch(/^:/);
  }
  expect(await say("return {#KEYS, tostring(KEYS.x), tostring(ARGV.x)}")).toBe(
    "*3 :1 $3 nil $3 nil",
  );
  expect(await say("return {tostring(rawget(string, 'x')), tostring(rawget(cjson, 'x'))}")).toBe(
    "*2 $3 nil $3 nil",
  );
  expect(await say("return redis.call('get', 'nothing')")).toBe("$-1");
});

test("a script sees one time, and sets its lifetimes from it", async () => {
  await using service = serveRedis();
  using client = await converse(service.port);
  const wait = "local s = os.clock() while os.clock() - s < 0.005 do end";
  const script = `redis.call('set', KEYS[1], 'v', 'PX', 1) ${wait} return redis.call('exists', KEYS[1])`;
  expect(await client.say(["EVAL", script, "1", "k"])).toBe(":1");
});

test("a script may use keys that it does not name", async () => {
  await using service = serveRedis();
  using client = await converse(service.port);
  const script =
    "for n = 1, 100 do redis.call('set', 'key' .. n, n) end return {redis.call('dbsize'), redis.call('mget', 'key1', 'key99', KEYS[1])}";
  expect(await client.say(["EVAL", script, "1", "k"])).toBe("*2 :100 *3 $1 1 $2 99 $-1");
  expect(await client.say(["EVAL", "return redis.call('flushall')", "1", "k"])).toBe("+OK");
});

test("a script may have the flag of Upstash for locks of its keys", async () => {
  await using service = serveRedis();
  using client = await converse(service.port);
  const script = new URL("library-scripts/upstash-fixed-window.lua", import.meta.url);
  const call = ["2", "limit", "", "10", "60000", "1"];
  const text = await Bun.file(script).text();
  expect(await client.say(["EVAL", text, ...call])).toStartWith("*2 :1 :10");
});

test("redis.log writes to the log of the service", async () => {
  await using service = serveRedis();
  using client = await converse(service.port);
  await client.say(["EVAL", "redis.log(redis.LOG_WARNING, 'a', 1, {}, 'b')", "0"]);
  expect(service.events).toEqual(["script 3 a 1 b"]);
});

test("the read-only token runs scripts that only read, and each command needs its access", async () => {
  await using service = serveRedis(["--auth-token", FULL, "--read-token", READ]);
  using client = await converse(service.port);
  await client.say(["AUTH", READ]);
  expect(await client.say(["EVAL", "return 1", "0"])).toStartWith("-NOPERM");
  expect(await client.say(["EVAL_RO", "return redis.call('get', KEYS[1])", "1", "k"])).toBe("$-1");
  const write = "return redis.call('set', KEYS[1], 'v')";
  expect(await client.say(["EVAL_RO", write, "1", "k"])).toContain(
    "Write commands are not allowed",
  );
  expect(
    await client.say(["EVAL_RO", `return redis.pcall('config', 'set', 'save', '')`, "0"]),
  ).toMatch(/not allowed from script/);
  const asks = "return {redis.acl_check_cmd('get', 'k'), redis.acl_check_cmd('set', 'k', 'v')}";
  expect(await client.say(["EVAL_RO", asks, "0"])).toBe("*2 :1 $-1");
});

test("the time of scripts can be read and set", async () => {
  await using service = serveRedis();
  using client = await converse(service.port);
  expect(await client.say("CONFIG GET busy-reply-threshold")).toContain("$4 5000");
  expect(await client.say("CONFIG SET lua-time-limit 30")).toBe("+OK");
  expect(await client.say("CONFIG GET busy-reply-threshold")).toContain("$2 30");
  expect(await client.say("CONFIG SET lua-time-limit 0")).toStartWith("-ERR CONFIG SET failed");
  expect(await client.say(["EVAL", "while true do end", "0"])).toContain("(30 ms)");
});

/** Opens enough connections for both workers to have some. */
async function connectToAll(port: number): Promise<Conversation[]> {
  return await Promise.all(Array.from({ length: 24 }, () => converse(port)));
}

test("a script that one worker has loaded runs on the others", async () => {
  const port = freePort();
  await using _service = await startService(["--workers", "2", "--resp-port", String(port)]);
  const clients = await connectToAll(port);
  const loaded = await clients[0]?.say(["SCRIPT", "LOAD", "return ARGV[1]"]);
  const sha = loaded?.split(" ")[1] ?? "";
  for (const client of clients) expect(await client.say(["EVALSHA", sha, "0", "v"])).toBe("$1 v");
  expect(await clients[1]?.say("SCRIPT FLUSH")).toBe("+OK");
  for (const client of clients)
    expect(await client.say(["EVALSHA", sha, "0", "v"])).toStartWith("-NOSCRIPT");
  for (const client of clients) client[Symbol.dispose]();
});

test("SCRIPT KILL of another worker ends a script that has written nothing", async () => {
  const port = freePort();
  const options = ["--workers", "2", "--resp-port", String(port), "--script-timeout", "1h"];
  await using _service = await startService(options);
  const clients = await connectToAll(port);
  const [first, ...others] = clients;
  let isKilled = false;
  const script = first?.say(["EVAL", "while true do end", "1", "k"]).then((reply) => {
    isKilled = true;
    return reply;
  });
  // Clients of the same worker wait for the script.
  const kills = others.map(async (client) => {
    while (!isKilled) await client.say("SCRIPT KILL");
  });
  expect(await script).toContain("Script killed by user with SCRIPT KILL");
  await Promise.all(kills);
  expect(await first?.say(["EVAL", "return 1", "0"])).toBe(":1");
  for (const client of clients) client[Symbol.dispose]();
});

test("scripts of two workers count as one step each", async () => {
  const port = freePort();
  await using _service = await startService(["--workers", "2", "--resp-port", String(port)]);
  const clients = await connectToAll(port);
  // The second key is not named: the step is extended, or the script starts again.
  const script =
    "local n = tonumber(redis.call('get', KEYS[1]) or 0) redis.call('set', KEYS[1], n + 1) " +
    "redis.call('incr', 'other') return n + 1";
  const replies = await Promise.all(
    clients.map(async (client) => {
      const seen: string[] = [];
      for (let n = 0; n < 50; n++) seen.push(await client.say(["EVAL", script, "1", "count"]));
      return seen;
    }),
  );
  const done = replies.flat().filter((reply) => reply.startsWith(":"));
  // A script that had written may have failed once for each worker.
  expect(replies.flat().length - done.length).toBeLessThanOrEqual(2);
  expect(new Set(done).size).toBe(done.length);
  for (const client of clients) client[Symbol.dispose]();
});
