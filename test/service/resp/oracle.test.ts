// The oracle is Redis: the same commands go to a redis-server and to the service, and both must
// reply with the same bytes.

import { RedisClient } from "bun";
import { describe, expect, test } from "bun:test";

import { random } from "../../lib/random.ts";
import { serveRedis } from "../../lib/service.ts";
import { startRedis } from "../../lib/redis-server.ts";
import { drawBitCommands } from "./draw-bits.ts";
import { startPair } from "./redis-pair.ts";

const LONG = "x".repeat(2000);
/** Commands whose replies depend only on the commands before them. */
const SESSION: readonly string[] = String.raw`
PING | PING hello | PING a b | ECHO hi | ECHO | NOSUCH a b c | nosuch | GET | GET a b | SELECT 0 | SELECT 1 | SELECT x
SET k v | GET k | GET none | SET k w NX | SET none x XX | SET k y XX | SET k z GET | SET n new GET | SET k q NX GET
SET k v EX 100 | TTL k | SET k v KEEPTTL | TTL k | SET k v | TTL k | SET k v EX 0 | SET k v EX -1 | SET k v PX 0
SET k v EX x | SET k v EX | SET k v NX XX | SET k v EX 1 PX 1 | SET k v KEEPTTL EX 1 | SET k v FOO | SET k
SET k v EX 9223372036854775807 | SET k v EXAT 99999999999 | EXPIRETIME k | SET k v PXAT 99999999999000 | PEXPIRETIME k
SETNX s 1 | SETNX s 2 | GET s | SETEX e 100 v | TTL e | SETEX e 0 v | SETEX e x v | PSETEX e 100000 v | PSETEX e -1 v
GETSET s 3 | GETSET fresh 1 | GETDEL s | GETDEL s | GETEX k EX 50 | TTL k | GETEX k PERSIST | TTL k | GETEX k EX 0
GETEX k FOO | GETEX k EX | GETEX k EXAT 1 | EXISTS k | GETEX none PERSIST | GETEX
GETEX k PERSIST PERSIST | SET k v NX NX | SET k v XX XX GET GET | SET k v KEEPTTL KEEPTTL | SET k v EX x FOO | SET k v FOO EX x
MSET a 1 b 2 | MGET a b none | MSET a | MSET a 1 b | MSETNX a 3 c 4 | EXISTS c | MSETNX c 4 d 5 | MGET c d | MGET
APPEND a 23 | APPEND ap new | STRLEN a | STRLEN none | GETRANGE a 0 1 | GETRANGE a -2 -1 | GETRANGE a 5 9 | GETRANGE a 2 1
GETRANGE a x 1 | GETRANGE a -1 -5 | GETRANGE a -100 100 | SUBSTR a 0 0 | SETRANGE a 1 xyz | GET a | SETRANGE pad 5 x | GET pad
SETRANGE pad -1 x | SETRANGE a 0 "" | SETRANGE none2 3 "" | EXISTS none2 | SETRANGE a 9999999999 x | SETRANGE a x y
SET i 10 | INCR i | DECR i | INCRBY i 5 | DECRBY i 20 | INCR fresh2 | INCR k2x | SET t text | INCR t | INCRBY i x | INCRBY i 1.5
SET big 9223372036854775807 | INCR big | DECR big | DECRBY i -9223372036854775808 | SET neg -9223372036854775808 | DECR neg
INCRBY neg 9223372036854775807 | SET b53 9007199254740993 | INCR b53 | SET sp " 1" | INCR sp | SET plus +1 | INCR plus
SET zero 007 | INCR zero | SET minus0 -0 | INCR minus0 | INCRBYFLOAT i 0.1 | INCRBYFLOAT i 1e3 | INCRBYFLOAT i x | INCRBYFLOAT t 1
INCRBYFLOAT i inf | INCRBYFLOAT i nan | INCRBYFLOAT i " 1" | INCRBYFLOAT fl 3.0 | INCRBYFLOAT fl -3 | INCRBYFLOAT fl 1e-5
DEL a b none | DEL a | UNLINK c d | EXISTS i i none | TOUCH i none | TYPE i | TYPE none | DEL | EXISTS
EXPIRE i 100 | TTL i | EXPIRE i 200 NX | EXPIRE i 50 GT | EXPIRE i 300 GT | TTL i | EXPIRE i 100 LT | TTL i | EXPIRE i 1 XX GT LT
EXPIRE i 1 NX XX | EXPIRE i 1 FOO | EXPIRE i x | EXPIRE i 9223372036854775807 | EXPIRE none 1 | PERSIST i | PERSIST i | TTL i
EXPIRE i 10 XX | EXPIRE i 10 GT | EXPIRE i 10 LT | TTL i | PEXPIRE i 100000 | EXPIREAT i 99999999999 | EXPIRETIME i | PEXPIREAT i 1
EXISTS i | EXPIRETIME none | PTTL none | TTL none | EXPIRE t -1 | EXISTS t | PEXPIREAT b53 99999999999999 | PEXPIRETIME b53
SET r v EX 100 | RENAME r r2 | TTL r2 | RENAME none x | RENAME r2 r2 | SET r3 w | RENAMENX r2 r3 | RENAMENX r2 r4 | RENAMENX none x
COPY r4 r5 | COPY r4 r5 | COPY r4 r5 REPLACE | TTL r5 | COPY r4 r4 | COPY none x | COPY r4 r6 DB 0 | COPY r4 r6 FOO | COPY r4 r6 DB x
COPY r4 r5 REPLACE REPLACE DB 0 DB 0 | EXPIRE r4 100 NX NX | EXPIRE r4 100 XX FOO | MEMORY USAGE r4 FOO | MEMORY USAGE none SAMPLES 1
OBJECT ENCODING big | OBJECT ENCODING r4 | OBJECT ENCODING none | OBJECT REFCOUNT none | OBJECT FOO x | OBJECT | OBJECT ENCODING
SCAN x | SCAN 0 COUNT 0 | SCAN 0 COUNT x | SCAN 0 FOO | SCAN 0 MATCH | SCAN 0 TYPE list COUNT 1000 | SCAN 0 MATCH nothing* COUNT 1000
SCAN 0 COUNT x FOO | SCAN 0 FOO COUNT x | SCAN 0 COUNT 0 COUNT 1000 | SCAN 0 COUNT 1 COUNT 1000 MATCH nothing*
FLUSHALL FOO | FLUSHDB SYNC | DBSIZE | RANDOMKEY | SET only v | RANDOMKEY | KEYS * | KEYS | DBSIZE x
CLIENT GETNAME | CLIENT SETNAME me | CLIENT GETNAME | CLIENT SETNAME "a b" | CLIENT FOO | CLIENT | CLIENT ID x | CLIENT REPLY FOO
CLIENT KILL 1.2.3.4:5 | CLIENT KILL ID 0 | CLIENT KILL ID 99999 | CLIENT KILL FOO bar | CLIENT NO-EVICT on | CLIENT NO-EVICT x
CLIENT LIST TYPE foo | CLIENT LIST FOO | CLIENT LIST ID x | CLIENT KILL TYPE foo | CLIENT KILL SKIPME maybe
CLIENT LIST TYPE normal TYPE normal | CLIENT LIST ID | CLIENT KILL ID 0 FOO | CLIENT KILL FOO 1 ID 0 | CLIENT KILL ID 99998 ID 99999
HELLO 2 SETNAME "a b" FOO | HELLO 2 FOO SETNAME "a b" | COMMAND LIST FILTERBY FOO x | COMMAND LIST FILTERBY PATTERN
COMMAND LIST FILTERBY PATTERN nothing* FILTERBY MODULE x | COMMAND LIST FILTERBY MODULE x
HELLO x | HELLO 4 | HELLO 2 FOO | HELLO 2 SETNAME | HELLO 2 AUTH default x SETNAME "a b" | HELLO 2 AUTH nobody x
AUTH x | AUTH default x | AUTH nobody x | AUTH a b c | AUTH | COMMAND COUNT x | COMMAND FOO | COMMAND GETKEYS GET k | COMMAND GETKEYS MSET a 1 b 2
COMMAND GETKEYS PING | COMMAND GETKEYS PING x | COMMAND GETKEYS COPY a b | COMMAND GETKEYSANDFLAGS BITOP and a b c | COMMAND GETKEYSANDFLAGS RENAME a b
COMMAND GETKEYSANDFLAGS PING x | COMMAND GETKEYSANDFLAGS MSET a 1 b 2 | COMMAND GETKEYS OBJECT ENCODING k | COMMAND LIST FILTERBY PATTERN *GETKEYS*FLAGS
ACL WHOAMI | ACL USERS | ACL LIST | ACL GETUSER default | ACL GETUSER nobody | ACL CAT | ACL CAT foo | ACL DRYRUN default GET k
ACL DRYRUN nobody GET k | ACL DRYRUN default foo k | ACL DRYRUN default GET | ACL LOG RESET | ACL LOG | ACL LOG x | ACL GENPASS 0 | ACL GENPASS x
CLIENT PAUSE x | CLIENT PAUSE -1 | CLIENT PAUSE 1 foo | CLIENT PAUSE 1 write x | CLIENT PAUSE | CLIENT UNPAUSE | ACL GENPASS 1 2
ACL LOG 1 2 | ACL CAT a b | CLIENT PAUSE 0 | ACL WHOAMI x | ACL FOO | ACL | COMMAND GETKEYS GET | COMMAND GETKEYS nosuch a | COMMAND LIST FOO | COMMAND INFO nosuch | COMMAND DOCS nosuch
CONFIG GET nothing | CONFIG GET save | CONFIG SET nothing x | CONFIG SET save | CONFIG | CONFIG FOO | CONFIG RESETSTAT
SLOWLOG LEN | SLOWLOG GET | SLOWLOG RESET | SLOWLOG FOO | LATENCY LATEST | LATENCY RESET | ROLE x | TIME x | SAVE x | LASTSAVE x
GETEX none EX 0 | GETEX none EX abc | GETEX none PX -1 | SET m v | PEXPIRE m -9223372036854775808 | EXISTS m
SET m v | EXPIRE m -9223372036854775808 | EXPIRE m -9223372036854775 | SET m v | PEXPIREAT m -9223372036854775808
INCRBYFLOAT h 0x10 | INCRBYFLOAT h 0X1.8p1 | INCRBYFLOAT h 0x.8 | INCRBYFLOAT h 0x | INCRBYFLOAT h 0x1p | INCRBYFLOAT h -0x1p-2
INCRBYFLOAT h 0x1p16384 | INCRBYFLOAT h 0x1p-16445 | INCRBYFLOAT h 0x1p-16446 | INCRBYFLOAT h 1e-5000 | INCRBYFLOAT h 1e-4951
EXPIRE k 1 "x\r\n" | EXPIRE k 1 "\r\nx\r\ny\r\n" | EXPIRE k 1 \xff | EXPIRE k 1 a\x00b | NOSUCH \xff\x00a a\r\nb | NOSUCH\xfe\x00x a
CLIENT FO\xff\x00o | CONFIG SET FoO\xff x | HELLO 2 FO\xff\x00 | CLIENT LIST TYPE \xff | CLIENT KILL USER a\x00b | OBJECT "\r\nx\r\n" k
RESET | CLIENT GETNAME | SHUTDOWN FOO | ECHO \xff\x00\r\n | SET \x00k \xff\xfe | GET \x00k | STRLEN \x00k | FLUSHALL ASYNC
`
  .split(/[|\n]/)
  .map((line) => line.trim())
  .filter((line) => line !== "");

describe.skipIf(Bun.which("redis-server") === null)(
  "replies are those of redis-server, byte for byte",
  () => {
    test("to every command, option and error of a long session, in both protocol versions", async () => {
      await using pair = await startPair();
      for (const version of [2, 3]) {
        await pair.skip(["HELLO", version]);
        for (const line of SESSION) {
          const words = wordsOf(line);
          const [redis, ours] = await pair.send(words);
          expect([version, line, ours]).toEqual([version, line, redis]);
          if (line === "RESET" || line.startsWith("HELLO 2")) await pair.skip(["HELLO", version]);
        }
      }
    });

    test("to INCRBYFLOAT on random numbers", async () => {
      await using pair = await startPair();
      const { below } = random();
      const number = (): string => {
        const digits = String(below(10 ** (1 + below(9))));
        const decimals = below(3) === 0 ? "" : `.${String(below(10 ** (1 + below(9))))}`;
        const exponent = below(4) === 0 ? `e${below(40) - 20}` : "";
        return `${below(2) === 0 ? "-" : ""}${digits}${decimals}${exponent}`;
      };
      for (let n = 0; n < 1000; n++) {
        const words = below(4) === 0 ? ["SET", "f", number()] : ["INCRBYFLOAT", "f", number()];
        const [redis, ours] = await pair.send(words);
        expect([n, words, ours]).toEqual([n, words, redis]);
      }
    });

    test("to commands on bits and to LCS with random arguments", async () => {
      await using pair = await startPair();
      const { draw } = drawBitCommands(random());
      for (let n = 0; n < 3000; n++) {
        const words = draw();
        const [redis, ours] = await pair.send(words);
        expect([n, words, ours]).toEqual([n, words, redis]);
      }
    });

    test("to COMMAND INFO of each command that both have", async () => {
      await using redis = await startRedis();
      await using service = serveRedis();
      const clients = [redis.port, service.port].map(
        (port) => new RedisClient(`redis://127.0.0.1:${port}`),
      );
      const [theirs, ours] = await Promise.all(clients.map(describeCommands));
      const names = [...(ours?.keys() ?? [])].filter((name) => theirs?.has(name));
      expect(names.length).toBeGreaterThan(100);
      for (const name of names) expect([name, ours?.get(name)]).toEqual([name, theirs?.get(name)]);
      for (const client of clients) client.close();
    });

    test("to KEYS with random patterns", async () => {
      await using pair = await startPair();
      const { below } = random();
      const text = (letters: string, lengthMax: number) =>
        Array.from({ length: below(lengthMax) }, () => letters[below(letters.length)]).join("");
      // One key at a time: Redis defines no order of several keys.
      for (let n = 0; n < 1500; n++) {
        const key = `k${text("abc-]\\^*?[", 6)}`;
        const pattern = `${below(3) ? "" : "k"}${text("abkc-]\\^*?[", 9)}`;
        await pair.skip(["FLUSHALL"]);
        await pair.skip(["SET", key, "v"]);
        const [redis, ours] = await pair.send(["KEYS", pattern]);
        expect([key, pattern, ours]).toEqual([key, pattern, redis]);
      }
    });

    test("to inline commands and malformed input", async () => {
      const inputs = [
        "SET k 'a b'\r\nGET k\r\n",
        'SET k "\\x41\\n"\r\nGET k\r\n\r\n\r\nPING\r\n',
        "*0\r\n*-1\r\nPING\r\n",
        "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n",
      ];
      const malformed = [
        "*x\r\n",
        "*1\r\nPING\r\n",
        "*1\r\n$x\r\n",
        "*1\r\n$-1\r\n",
        'GET "k\r\n',
        `*1${LONG.repeat(40)}`,
        LONG.repeat(40),
      ];
      for (const input of [...inputs, ...malformed]) {
        await using pair = await startPair();
        // QUIT closes the connection if no protocol error has closed it.
        const [redis, ours] = await pair.sendRaw(
          `${input}${malformed.includes(input) ? "" : "QUIT\r\n"}`,
        );
        expect([input.slice(0, 40), ours]).toEqual([input.slice(0, 40), redis]);
      }
    });
  },
);

/** Commands that differ on purpose: channels are no keys, and CLIENT REPLY is rejected in a transaction. */
const OTHER_INFO = ["ssubscribe", "sunsubscribe", "spublish", "client|reply"];

/** Returns what COMMAND INFO says of each command, without the order of flags and without notes. */
async function describeCommands(client: RedisClient): Promise<Map<string, unknown>> {
  const names = (await client.send("COMMAND", ["LIST"])) as string[];
  const infos = (await client.send("COMMAND", ["INFO", ...names])) as unknown[][];
  const found = new Map<string, unknown>();
  for (const [name, arity, flags, first, last, step, categories, tips, specs] of infos) {
    if (OTHER_INFO.includes(String(name))) continue;
    const sorted = [flags, categories].map((list) => [...(list as string[])].toSorted());
    const ranges = (specs as object[]).map((spec) => ({ ...spec, notes: undefined }));
    found.set(String(name), [arity, ...sorted, first, last, step, tips, ranges]);
  }
  return found;
}

/** Splits at spaces; double quotes keep spaces, and \x.. and \r\n stand for bytes. */
function wordsOf(line: string): string[] {
  const words = line.match(/"[^"]*"|[^ ]+/g) ?? [];
  return words.map((word) =>
    word
      .replace(/^"(.*)"$/, "$1")
      .replace(/\\x(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
      .replaceAll("\\r\\n", "\r\n"),
  );
}
