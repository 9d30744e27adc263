// Access over the Redis protocol: each command of the table with each kind of token.

import { describe, expect, test } from "bun:test";

import { COMMANDS } from "../../../src/resp/commands/table.ts";
import { freePort, serve, serveRedis, startService } from "../../lib/service.ts";
import { commandBytes, connectRaw } from "../resp/raw-client.ts";

const FULL = "full-token";
const READ = "read-token";
const TOKENS = ["--auth-token", FULL, "--read-token", READ];
const OK = "+OK\r\n";
const NO_TOKEN = "-NOAUTH Authentication required.\r\n";
const WRONG = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";

const REJECTED = /^-NO(AUTH|PERM)/;

const OPEN = ["auth", "hello", "quit", "reset"];
/** Commands that need the access to read. A command in neither list needs the access to write. */
const READING = [
  ...["get", "mget", "strlen", "getrange", "substr", "exists", "touch", "type", "keys", "scan"],
  ...["ttl", "pttl", "expiretime", "pexpiretime", "randomkey", "dbsize", "memory|usage"],
  ...["multi", "exec", "discard", "watch", "unwatch"],
  ...["getbit", "bitcount", "bitpos", "bitfield_ro", "digest", "lcs", "dump"],
  ...["object|encoding", "object|freq", "object|idletime", "object|refcount"],
  ...["ping", "echo", "select", "info", "time", "lastsave", "role", "config|get"],
  ...["subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe"],
  ...["client|tracking", "client|caching", "client|trackinginfo", "client|getredir"],
  ...["pubsub|channels", "pubsub|numsub", "pubsub|numpat"],
  ...["pubsub|shardchannels", "pubsub|shardnumsub"],
  ...["client|id", "client|getname", "client|setname", "client|setinfo", "client|info"],
  ...["client|list", "client|no-evict", "client|no-touch", "client|reply"],
  ...[
    "command",
    "command|count",
    "command|docs",
    "command|info",
    "command|getkeys",
    "command|getkeysandflags",
    "acl|whoami",
    "acl|cat",
    "acl|genpass",
    "command|list",
  ],
  ...["eval_ro", "evalsha_ro", "script|exists"],
  ...["slowlog|get", "slowlog|len", "latency|latest", "latency|history", "latency|histogram"],
  ...["latency|doctor", "function|list"],
];

/** Each command, with the fewest arguments that it takes. */
const CALLS = COMMANDS.flatMap((command) => [
  ...(command.run ? [{ name: command.name, arity: command.arity }] : []),
  ...(command.subcommands ?? []).map(({ name, arity }) => {
    return { name: `${command.name}|${name}`, arity };
  }),
]).map(({ name, arity }) => {
  const words = name.split("|");
  const missing = Math.abs(arity) - words.length;
  return { name, words: [...words, ...Array.from({ length: missing }, () => "1")] };
});

/** Returns the reply to a command, after AUTH with the token if one is given, and before QUIT. */
async function answerTo(port: number, words: readonly string[], token?: string): Promise<string> {
  using client = await connectRaw(port);
  const auth = token === undefined ? [] : [commandBytes("auth", token)];
  client.send(Buffer.concat([...auth, commandBytes(...words), commandBytes("quit")]));
  const all = await client.closed;
  return all.slice(token === undefined ? 0 : OK.length).replace(/\+OK\r\n$/, "");
}

test("each command of the lists is in the table", () => {
  const names = CALLS.map(({ name }) => name);
  expect([...OPEN, ...READING].filter((name) => !names.includes(name))).toEqual([]);
});

describe("every command", () => {
  for (const { name, words } of CALLS) {
    const isOpen = OPEN.includes(name);
    const isReading = READING.includes(name);
    test(`${name} needs ${isOpen ? "no token" : isReading ? "one to read" : "the one for all"}`, async () => {
      await using service = await serveRedis(TOKENS);
      const { port } = service;
      const none = await answerTo(port, words);
      if (isOpen) expect(none).not.toBe(NO_TOKEN);
      else expect(none).toBe(NO_TOKEN);
      if (isOpen) return;
      const reading = await answerTo(port, words, READ);
      const denied = `-NOPERM this user has no permissions to run the '${name}' command\r\n`;
      if (isReading) expect(reading).not.toMatch(REJECTED);
      else expect(reading).toBe(denied);
      const full = await answerTo(port, words, FULL);
      expect(full).not.toMatch(REJECTED);
    });
  }
});

test("with --upstream each command needs the access that it needs without", async () => {
  const port = freePort();
  const upstream = ["--upstream", "127.0.0.1:1", "--workers", "1"];
  await using service = await startService([...TOKENS, ...upstream, "--resp-port", `${port}`]);
  expect(service.url).toStartWith("http");
  for (const { name, words } of CALLS) {
    // Without a token each of these is rejected; the next ones end the service, or all clients.
    const isOpen = OPEN.includes(name);
    const none = await answerTo(port, words);
    expect([name, none === NO_TOKEN]).toEqual([name, !isOpen]);
    if (isOpen || ["shutdown", "client|kill", "client|pause"].includes(name)) continue;
    const reading = await answerTo(port, words, READ);
    expect([name, REJECTED.test(reading)]).toEqual([name, !READING.includes(name)]);
    expect([name, REJECTED.test(await answerTo(port, words, FULL))]).toEqual([name, false]);
  }
});

test("each command over HTTP needs the access that it needs on the Redis port", async () => {
  await using service = serve(...TOKENS);
  for (const { name, words } of CALLS) {
    const answerTo = async (token: string) => {
      const headers = { authorization: `Bearer ${token}` };
      const init = { method: "POST", body: JSON.stringify(words), headers };
      return await (await fetch(`${service.url}/redis`, init)).text();
    };
    const [reading, full] = [await answerTo(READ), await answerTo(FULL)];
    const isForConnections = full.includes("is for connections");
    const isDenied = !isForConnections && ![...OPEN, ...READING].includes(name);
    expect([name, reading.includes("NOPERM")]).toEqual([name, isDenied]);
    expect([name, /NOPERM|NOAUTH/.test(full)]).toEqual([name, false]);
  }
});

test("without tokens AUTH gets the reply of a Redis without a password", async () => {
  await using service = await serveRedis();
  expect(await answerTo(service.port, ["auth", "anything"])).toStartWith(
    "-ERR AUTH <password> called",
  );
  expect(await answerTo(service.port, ["auth", "default", "anything"])).toBe(OK);
  expect(await answerTo(service.port, ["auth", "somebody", "anything"])).toBe(WRONG);
  expect(await answerTo(service.port, ["get", "k"])).toBe("$-1\r\n");
});

test("AUTH takes the token alone or with the user default; a wrong token does not change the access", async () => {
  await using service = await serveRedis(TOKENS);
  const { port } = service;
  for (const words of [["wrong"], ["default", "wrong"], ["somebody", FULL], [""], [`${FULL}\0`]]) {
    expect(await answerTo(port, ["auth", ...words])).toBe(WRONG);
  }
  expect(await answerTo(port, ["auth", "default", FULL])).toBe(OK);
  expect(await answerTo(port, ["auth", "default", FULL, "more"])).toBe("-ERR syntax error\r\n");
  using client = await connectRaw(port);
  client.send(Buffer.concat([commandBytes("auth", FULL), commandBytes("auth", "wrong")]));
  client.send(commandBytes("set", "k", "v"));
  expect(await client.until("+OK\r\n")).toBe(`+OK\r\n${WRONG}+OK\r\n`);
});

test("HELLO needs a token, and RESET takes the access back", async () => {
  await using service = await serveRedis(TOKENS);
  const { port } = service;
  expect(await answerTo(port, ["hello", "3"])).toStartWith("-NOAUTH HELLO must be called");
  expect(await answerTo(port, ["hello"])).toStartWith("-NOAUTH HELLO must be called");
  expect(await answerTo(port, ["hello", "3", "auth", "default", "wrong"])).toBe(WRONG);
  expect(await answerTo(port, ["hello", "4", "auth", "default", FULL])).toStartWith("-NOPROTO");
  using client = await connectRaw(port);
  client.send(commandBytes("hello", "3", "auth", "default", READ));
  expect(await client.until("*0\r\n")).toStartWith("%7\r\n");
  client.send(Buffer.concat([commandBytes("get", "k"), commandBytes("reset")]));
  expect(await client.until("+RESET\r\n")).toEndWith("_\r\n+RESET\r\n");
  client.send(commandBytes("get", "k"));
  expect(await client.until(NO_TOKEN)).toEndWith(NO_TOKEN);
});

test("a client can send a long command only after it has sent its token", async () => {
  await using service = await serveRedis(TOKENS);
  const value = "v".repeat(20_000);
  expect(await answerTo(service.port, ["set", "k", value])).toBe(
    "-ERR Protocol error: unauthenticated bulk length\r\n",
  );
  expect(await answerTo(service.port, ["mget", ...Array.from({ length: 10 }, () => "k")])).toBe(
    "-ERR Protocol error: unauthenticated multibulk length\r\n",
  );
  using client = await connectRaw(service.port);
  const keys = Array.from({ length: 20 }, () => "k");
  client.send(
    Buffer.concat([
      commandBytes("auth", FULL),
      commandBytes("set", "k", value),
      commandBytes("exists", ...keys),
    ]),
  );
  expect(await client.until(":20\r\n")).toBe("+OK\r\n+OK\r\n:20\r\n");
});

test("ACL shows the users of the two tokens, and does not change them", async () => {
  await using service = await serveRedis(TOKENS);
  const { port } = service;
  expect(await answerTo(port, ["acl", "whoami"], FULL)).toBe("$7\r\ndefault\r\n");
  expect(await answerTo(port, ["acl", "whoami"], READ)).toBe("$9\r\nread-only\r\n");
  expect(await answerTo(port, ["auth", "read-only", READ])).toBe(OK);
  expect(await answerTo(port, ["auth", "read-only", FULL])).toBe(WRONG);
  const dryRun = async (user: string, ...words: string[]) =>
    await answerTo(port, ["acl", "dryrun", user, ...words], FULL);
  // `answerTo` removes one OK at the end.
  expect(await dryRun("default", "set", "k", "v")).toBe(OK);
  expect(await dryRun("read-only", "set", "k", "v")).toContain("no permissions to run the 'set'");
  const list = await answerTo(port, ["acl", "list"], FULL);
  expect(list).toContain("user default on ~* &* +@all");
  expect(list).toContain("user read-only on ~* &* -@all ");
  expect(list).not.toContain(FULL);
  expect(await answerTo(port, ["acl", "setuser", "x", "on"], FULL)).toContain("--auth-token");
});
