import { expect, test } from "bun:test";

import { whyUnknown } from "../../../../src/resp/commands/other-types.ts";

test("a command of another data type is named with its type", () => {
  const types = {
    lists:
      "lpush rpush lpop brpop blmove lmpop rpoplpush brpoplpush llen lrange lindex rpushx blmpop",
    hashes: "hset hget hgetall hmget hmset hincrbyfloat hlen hkeys hscan hsetnx hexpire hpttl",
    sets: "sadd srem smembers sismember sinterstore sunion spop sscan scard smove smismember",
    "sorted sets": "zadd zrange bzpopmin zscore zinterstore geoadd geosearch",
    streams: "xadd xread xgroup",
    HyperLogLogs: "pfadd pfcount",
  };
  for (const [type, names] of Object.entries(types)) {
    for (const name of names.split(" "))
      expect([name, whyUnknown(name)]).toEqual([
        name,
        `; there are no ${type}: all values are strings`,
      ]);
  }
});

test("other commands get no reason", () => {
  for (const name of "nosuch monitor subscribe lolwut select scan script hello h z strlen setex".split(
    " ",
  ))
    expect([name, whyUnknown(name)]).toEqual([name, ""]);
});
