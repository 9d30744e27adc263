// Databases 0 to 15: each command sees the keys of the selected database only.

import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ByteBuffer, Cache, NEVER } from "../../../src/cache/cache.ts";
import { freePort, serveRedis, startService } from "../../lib/service.ts";
import { type Conversation, converse } from "./conversation.ts";
import { commandBytes, connectRaw } from "./raw-client.ts";

async function expectReplies(client: Conversation, transcript: string): Promise<void> {
  for (const line of transcript.trim().split("\n")) {
    const [command = "", reply = ""] = line.trim().split(" → ");
    expect(`${command} → ${await client.say(command)}`).toBe(`${command} → ${reply}`);
  }
}

test("replies and errors are those of Redis", async () => {
  await using service = serveRedis([]);
  using client = await converse(service.port);
  await expectReplies(
    client,
    `SET k zero → +OK
    SELECT 1 → +OK
    GET k → $-1
    SET k one PX 100000 → +OK
    SET only1 1 → +OK
    MGET k only1 → *2 $3 one $1 1
    KEYS k* → *1 $1 k
    SCAN 0 MATCH k COUNT 1000 → *2 $1 0 *1 $1 k
    DBSIZE → :2
    SELECT 16 → -ERR DB index is out of range
    SELECT -1 → -ERR DB index is out of range
    SELECT x → -ERR value is not an integer or out of range
    DBSIZE → :2
    MOVE k 1 → -ERR source and destination objects are the same
    MOVE k 99 → -ERR DB index is out of range
    MOVE k x → -ERR value is not an integer or out of range
    MOVE k 0 → :0
    MOVE missing 0 → :0
    MOVE k 2 → :1
    EXISTS k → :0
    COPY only1 only1 → -ERR source and destination objects are the same
    COPY only1 only1 DB 2 → :1
    COPY only1 only1 DB 2 → :0
    COPY only1 k DB 2 REPLACE → :1
    COPY only1 k DB 99 → -ERR DB index is out of range
    INFO keyspace → $108 # Keyspace db0:keys=1,expires=0,avg_ttl=0 db1:keys=1,expires=0,avg_ttl=0 db2:keys=2,expires=0,avg_ttl=0
    SWAPDB 0 99 → -ERR DB index is out of range
    SWAPDB a 1 → -ERR invalid first DB index
    SWAPDB 0 b → -ERR invalid second DB index
    SWAPDB 0 0 → +OK
    SWAPDB 0 1 → +OK
    KEYS * → *1 $1 k
    GET k → $4 zero
    SELECT 0 → +OK
    KEYS * → *1 $5 only1
    SELECT 2 → +OK
    FLUSHDB → +OK
    DBSIZE → :0
    RANDOMKEY → $-1
    SELECT 1 → +OK
    RANDOMKEY → $1 k
    RENAME k l → +OK
    APPEND l x → :5
    INCR n → :1
    BITOP NOT d n → :1
    DEL l n d x → :3
    MULTI → +OK
    SET n 5 → +QUEUED
    INCR n → +QUEUED
    MGET n t → +QUEUED
    DEL n → +QUEUED
    OBJECT ENCODING n → +QUEUED
    EXEC → *5 +OK :6 *2 $1 6 $-1 :1 $-1
    MULTI → +OK
    MOVE x 2 → +QUEUED
    COPY x y DB 2 → +QUEUED
    SWAPDB 8 9 → +QUEUED
    EXEC → *3 :0 :0 +OK
    EVAL return{KEYS[1],redis.call('incr',KEYS[1]),redis.call('move',KEYS[1],2)} 1 s → *3 $1 s :1 :1
    MULTI → +OK
    EVAL return{KEYS[1],redis.call('incr',KEYS[1]),redis.call('copy',KEYS[1],'s','DB','2')} 1 s → +QUEUED
    DEL s → +QUEUED
    EXEC → *2 *3 $1 s :1 :0 :1
    MULTI → +OK
    SET t 1 → +QUEUED
    SELECT 3 → +QUEUED
    SET t 2 → +QUEUED
    GET t → +QUEUED
    EXEC → *4 +OK +OK +OK $1 2
    GET t → $1 2
    SELECT 1 → +OK
    GET t → $1 1
    RESET → +RESET
    GET t → $-1
    CONFIG GET databases → *2 $9 databases $2 16
    FLUSHALL → +OK
    SELECT 3 → +OK
    DBSIZE → :0`,
  );
  expect(await client.say("CLIENT INFO")).toContain(" db=3 ");
  service.cache.maintenance.verify();
});

test("keys of any bytes are kept apart, also in pipelines and inline commands", async () => {
  await using service = serveRedis([]);
  using client = await connectRaw(service.port);
  const first = Buffer.from([0xff]);
  const tricky = [
    first,
    Buffer.from([0xff, 0x01, 0x6b]),
    Buffer.from([0xff, 0x00]),
    Buffer.from("k"),
  ];
  const commands: (string | Buffer)[][] = [];
  for (const database of ["0", "1", "2"]) {
    commands.push(["SELECT", database]);
    for (const [n, key] of tricky.entries()) commands.push(["SET", key, `${database}${n}`]);
  }
  for (const database of ["1", "0", "2"]) {
    commands.push(["SELECT", database], ["MGET", ...tricky], ["DBSIZE"]);
    commands.push(["EXISTS", ...tricky, "other"]);
  }
  client.send(Buffer.concat(commands.map((words) => commandBytes(...words))));
  client.send(
    "SELECT 1\r\nMULTI\r\nGET k\r\nEXEC\r\nGET k\r\nSET inline 1\r\nGET inline\r\nSELECT 0\r\nGET inline\r\nQUIT\r\n",
  );
  const text = (await client.closed).replaceAll("\r\n", " ");
  const values = (database: string) =>
    `*4 ${[0, 1, 2, 3].map((n) => `$2 ${database}${n}`).join(" ")}`;
  expect(text).toEndWith(
    ["1", "0", "2"].map((d) => `+OK ${values(d)} :4 :4 `).join("") +
      "+OK +OK +QUEUED *1 $2 13 $2 13 +OK $1 1 +OK $-1 +OK ",
  );
  using other = await converse(service.port);
  const keys = await other.say("KEYS *");
  expect(keys).toStartWith("*4 ");
  service.cache.maintenance.verify();
});

test("WATCH and locks are for the key of one database", async () => {
  await using service = serveRedis([]);
  using client = await converse(service.port);
  using other = await converse(service.port);
  for (const [writer, isRun] of [
    ["0", true],
    ["1", false],
  ] as const) {
    await client.say("SELECT 1");
    await client.say("WATCH k");
    await other.say(`SELECT ${writer}`);
    await other.say("SET k 1");
    await client.say("MULTI");
    expect(await client.say("EXEC")).toBe(isRun ? "*0" : "*-1");
  }
  // SWAPDB changes the keys that one of the databases has.
  for (const [key, isRun] of [
    ["k", false],
    ["missing", true],
  ] as const) {
    await client.say(`WATCH ${key}`);
    await other.say("SWAPDB 1 5");
    await client.say("MULTI");
    expect(await client.say("EXEC")).toBe(isRun ? "*0" : "*-1");
  }
});

test("HTTP uses database 0, and --databases limits their number", async () => {
  const cache = Cache.create({ shards: 4, virtualNodes: 16 });
  await using service = serveRedis(["--databases", "2"], cache);
  using client = await converse(service.port);
  await client.say("SELECT 1");
  await client.say("SET k one");
  expect(cache.look(ByteBuffer.ofText("k"), 0)).toBeUndefined();
  cache.put(ByteBuffer.ofText("k"), ByteBuffer.ofText("zero"), NEVER, 0);
  expect(await client.say("GET k")).toBe("$3 one");
  await client.say("SELECT 0");
  expect(await client.say("GET k")).toBe("$4 zero");
  expect(await client.say("SELECT 2")).toBe("-ERR DB index is out of range");
  expect(await client.say("CONFIG GET databases")).toBe("*2 $9 databases $1 2");
});

test("SWAPDB moves many keys with their lifetimes", async () => {
  await using service = serveRedis(["--memory", "16mb"]);
  using client = await converse(service.port);
  await client.say("SELECT 4");
  for (let n = 0; n < 500; n++) await client.say(`SET key:${n} ${n} EX ${1000 + n}`);
  await client.say("SELECT 0");
  for (let n = 0; n < 300; n++) await client.say(`SET key:${n} zero${n}`);
  expect(await client.say("SWAPDB 0 4")).toBe("+OK");
  expect(await client.say("DBSIZE")).toBe(":500");
  expect(await client.say("GET key:499")).toBe("$3 499");
  expect(await client.say("TTL key:499")).toMatch(/^:149\d$/);
  await client.say("SELECT 4");
  expect(await client.say("DBSIZE")).toBe(":300");
  expect(await client.say("MGET key:299 key:300")).toBe("*2 $7 zero299 $-1");
  service.cache.maintenance.verify();
});

test("a snapshot keeps databases, and hot keys show theirs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ringcache-databases-"));
  const port = freePort();
  const start = () => startService(["--resp-port", `${port}`, "--data-dir", folder]);
  {
    await using service = await start();
    using client = await converse(port);
    await client.say("SELECT 1");
    await client.say("SET hot one");
    await client.say(["SET", Buffer.from([0xff]), "marked"]);
    await client.say("SELECT 0");
    await client.say(["SET", Buffer.from([0xff]), "zero"]);
    expect(await client.say("SAVE")).toBe("+OK");
    using reader = await connectRaw(port);
    const gets = commandBytes("GET", "hot").toString().repeat(3000);
    reader.send(Buffer.concat([commandBytes("SELECT", "1"), Buffer.from(gets)]));
    const events = await fetch(`${service.url}/events`);
    let text = "";
    for await (const chunk of events.body as ReadableStream<Uint8Array>) {
      text += Buffer.from(chunk).toString();
      if (text.includes('"db1:hot"')) break;
    }
    expect(text).toContain('"db1:hot"');
  }
  await using _service = await start();
  using client = await converse(port);
  expect(await client.say("DBSIZE")).toBe(":1");
  expect(await client.say(["GET", Buffer.from([0xff])])).toBe("$4 zero");
  await client.say("SELECT 1");
  expect(await client.say("DBSIZE")).toBe(":2");
  expect(await client.say(["GET", Buffer.from([0xff])])).toBe("$6 marked");
  expect(await client.say("GET hot")).toBe("$3 one");
  rmSync(folder, { recursive: true });
}, 30_000);
