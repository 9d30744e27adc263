// DEBUG, as test suites use it.

import { expect, test } from "bun:test";

import { serveRedis } from "../../lib/service.ts";
import { commandBytes, connectRaw } from "./raw-client.ts";

/** Types of DEBUG PROTOCOL, with the replies of redis-server in both versions. */
const TYPES: readonly (readonly [type: string, version2: string, version3: string])[] = [
  ["string", "$11\r\nHello World\r\n", "$11\r\nHello World\r\n"],
  ["integer", ":12345\r\n", ":12345\r\n"],
  ["double", "$5\r\n3.141\r\n", ",3.141\r\n"],
  [
    "bignum",
    "$37\r\n1234567999999999999999999999999999999\r\n",
    "(1234567999999999999999999999999999999\r\n",
  ],
  ["null", "$-1\r\n", "_\r\n"],
  ["array", "*3\r\n:0\r\n:1\r\n:2\r\n", "*3\r\n:0\r\n:1\r\n:2\r\n"],
  ["set", "*3\r\n:0\r\n:1\r\n:2\r\n", "~3\r\n:0\r\n:1\r\n:2\r\n"],
  [
    "map",
    "*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n",
    "%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n",
  ],
  [
    "attrib",
    "$39\r\nSome real reply following the attribute\r\n",
    "|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n$39\r\nSome real reply following the attribute\r\n",
  ],
  [
    "push",
    "-ERR RESP2 is not supported by this command\r\n",
    ">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n$40\r\nSome real reply following the push reply\r\n",
  ],
  [
    "verbatim",
    "$25\r\nThis is a verbatim\nstring\r\n",
    "=29\r\ntxt:This is a verbatim\nstring\r\n",
  ],
  ["true", ":1\r\n", "#t\r\n"],
  ["false", ":0\r\n", "#f\r\n"],
];

test("DEBUG PROTOCOL replies with each type of the protocol", async () => {
  await using service = serveRedis(["--enable-debug-command"]);
  for (const version of [2, 3]) {
    using client = await connectRaw(service.port);
    client.send(
      Buffer.concat([commandBytes("HELLO", `${version}`), commandBytes("ECHO", "begin")]),
    );
    await client.until("begin\r\n");
    for (const [type, version2, version3] of TYPES) {
      client.send(commandBytes("DEBUG", "PROTOCOL", type));
      const reply = version === 2 ? version2 : version3;
      expect(await client.until(reply)).toEndWith(reply);
    }
  }
});

test("DEBUG OBJECT, ERROR and STRINGMATCH-LEN reply as Redis does", async () => {
  await using service = serveRedis(["--enable-debug-command"]);
  using client = await connectRaw(service.port);
  for (const [line, reply] of [
    ["SET k 12345", "+OK\r\n"],
    ["DEBUG OBJECT k", "encoding:int serializedlength:5 lru:0 lru_seconds_idle:0\r\n"],
    ["DEBUG OBJECT none", "-ERR no such key\r\n"],
    ["DEBUG ERROR MYERR", "-MYERR\r\n"],
    ["DEBUG STRINGMATCH-LEN 50000 a*a*b", ":0\r\n"],
    ["DEBUG STRINGMATCH-LEN 50000 a*a*", ":1\r\n"],
    ["DEBUG SET-ACTIVE-EXPIRE 0", "+OK\r\n"],
    ["EVAL return(redis.call('debug','object','k')) 0", "on @user_script:1.\r\n"],
    ["DEBUG SET-DISABLE-DENY-SCRIPTS 1", "+OK\r\n"],
    ["EVAL redis.setresp(3)return(redis.call('debug','protocol','attrib')) 0", "attribute\r\n"],
    ["EVAL redis.setresp(3)return(redis.call('debug','protocol','bignum')) 0", "999\r\n"],
    ["EVAL return{big_number='1\\r\\n2'} 0", "$4\r\n1  2\r\n"],
    [
      "EVAL redis.call('set','e',1,'px',1)redis.call('debug','sleep',0.02)return(redis.call('get','e')) 0",
      "$1\r\n1\r\n",
    ],
    ["DEBUG SET-DISABLE-DENY-SCRIPTS 0", "+OK\r\n"],
    ["EVAL return(redis.call('debug','object','k')) 0", "on @user_script:1.\r\n"],
  ] as const) {
    client.send(commandBytes(...line.split(" ")));
    expect(await client.until(reply)).toEndWith(reply);
  }
});
