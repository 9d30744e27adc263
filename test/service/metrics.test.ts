// /metrics of a service, as Prometheus reads it.

import { expect, test } from "bun:test";
import { RedisClient } from "bun";
import parsePrometheus from "parse-prometheus-text-format";

import { FaultyService } from "../stress/faults/faults.ts";
import { freePort, startService } from "../lib/service.ts";

interface Family {
  readonly name: string;
  readonly type: string;
  readonly metrics: readonly {
    readonly value?: string;
    readonly labels?: Readonly<Record<string, string>>;
  }[];
}

async function textOf(url: string): Promise<string> {
  const response = await fetch(`${url}/metrics`);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  return await response.text();
}

function parsed(text: string): Map<string, Family> {
  return new Map((parsePrometheus(text) as Family[]).map((family) => [family.name, family]));
}

/** Returns the values of one series of a histogram; the parser leaves out the labels of histograms. */
function durationsOf(text: string, part: string, protocol: string, command: string): number[] {
  const head = `ringcache_request_duration_seconds_${part}{protocol="${protocol}",command="${command}"`;
  const lines = text.split("\n").filter((line) => line.startsWith(head));
  return lines.map((line) => Number(line.slice(line.lastIndexOf(" "))));
}

/** Returns the value of a metric with these labels; 0 without one. */
function valueOf(
  metrics: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const family = metrics.get(`ringcache_${name}`);
  const found = family?.metrics.find((metric) =>
    Object.entries(labels).every(([label, value]) => metric.labels?.[label] === value),
  );
  return Number(found?.value ?? 0);
}

test("after a known workload every counter has the expected value", async () => {
  const respPort = freePort();
  await using service = await startService(["--workers", "2", "--resp-port", `${respPort}`]);
  const { url } = service;
  const post = (path: string, body: unknown) =>
    fetch(url + path, { method: "POST", body: JSON.stringify(body) });
  for (let n = 0; n < 30; n++) await post("/put", { key: `k${n}`, value: "v" });
  for (let n = 0; n < 5; n++) await post("/put", { key: "k0", value: "again" });
  for (let n = 0; n < 7; n++) await post("/put", { key: "" });
  for (let n = 0; n < 20; n++) await fetch(`${url}/get?key=k${n}`);
  for (let n = 0; n < 4; n++) await fetch(`${url}/get?key=none${n}`);
  await fetch(`${url}/get?key=`);
  await post("/mget", { keys: ["k1", "k2", "none"] });
  for (let n = 0; n < 3; n++) await fetch(`${url}/delete?key=k${n}`, { method: "DELETE" });
  await fetch(`${url}/nowhere`);
  await fetch(`${url}/put`);
  const redis = new RedisClient(`redis://127.0.0.1:${respPort}`);
  await Promise.all(Array.from({ length: 40 }, (_, n) => redis.set(`r${n}`, "v")));
  await Promise.all(Array.from({ length: 10 }, (_, n) => redis.get(`r${n}`)));
  await redis.get("none");
  await redis.send("INCR", ["r1"]).catch(() => {});
  await redis.send("GET", []).catch(() => {});
  await redis.send("CONFIG", ["RESETSTAT"]);

  const text = await textOf(url);
  const metrics = parsed(text);
  const commands = (protocol: string, command: string, status: string) =>
    valueOf(metrics, "commands_total", { protocol, command, status });
  expect({
    putOk: commands("http", "put", "200"),
    putBad: commands("http", "put", "400"),
    getOk: commands("http", "get", "200"),
    getMiss: commands("http", "get", "404"),
    getBad: commands("http", "get", "400"),
    mget: commands("http", "mget", "200"),
    delete: commands("http", "delete", "200"),
    noPath: commands("http", "other", "404"),
    wrongMethod: commands("http", "other", "405"),
    set: commands("resp", "set", "ok"),
    redisGet: commands("resp", "get", "ok"),
    rejected: commands("resp", "get", "rejected"),
    incrError: commands("resp", "incr", "error"),
    hits: valueOf(metrics, "keyspace_hits_total"),
    misses: valueOf(metrics, "keyspace_misses_total"),
    stored: valueOf(metrics, "stored_keys_total"),
    overwritten: valueOf(metrics, "overwritten_keys_total"),
    deleted: valueOf(metrics, "deleted_keys_total"),
    keys: valueOf(metrics, "db_keys"),
    clients: valueOf(metrics, "connected_clients", { protocol: "resp" }),
    putTimes: durationsOf(text, "count", "http", "put"),
    setTimes: durationsOf(text, "count", "resp", "set"),
    workers: valueOf(metrics, "workers"),
    shards: metrics.get("ringcache_shard_entries")?.metrics.length,
  }).toEqual({
    ...{ putOk: 35, putBad: 7, getOk: 20, getMiss: 4, getBad: 1, mget: 1, delete: 3 },
    ...{ noPath: 1, wrongMethod: 1, set: 40, redisGet: 11, rejected: 1, incrError: 1 },
    ...{ hits: 20 + 2 + 10, misses: 4 + 1 + 1, stored: 75, overwritten: 5, deleted: 3, keys: 67 },
    ...{ clients: 1, putTimes: [42], setTimes: [40], workers: 2, shards: 64 },
  });
  redis.close();
});

test("the buckets of a histogram increase up to its count", async () => {
  await using service = await startService(["--workers", "1"]);
  for (let n = 0; n < 50; n++) await fetch(`${service.url}/get?key=k${n}`);
  const text = await textOf(service.url);
  expect(parsed(text).get("ringcache_request_duration_seconds")?.type).toBe("HISTOGRAM");
  const buckets = durationsOf(text, "bucket", "http", "get");
  expect(buckets).toEqual(buckets.toSorted((a, b) => a - b));
  expect(buckets.at(-1)).toBe(50);
  expect(durationsOf(text, "count", "http", "get")).toEqual([50]);
  expect(durationsOf(text, "sum", "http", "get")[0]).toBeGreaterThan(0);
});

test("/metrics contains no key", async () => {
  await using service = await startService(["--workers", "1"]);
  for (let n = 0; n < 200; n++) await fetch(`${service.url}/get?key=very-secret-key`);
  expect(await (await fetch(`${service.url}/metrics`)).text()).not.toContain("secret");
});

test("counters do not decrease when a worker fails and is restarted", async () => {
  const service = await FaultyService.start();
  const url = `http://127.0.0.1:${service.port}`;
  for (let n = 0; n < 200; n++) await fetch(`${url}/get?key=k${n}`, { keepalive: false });
  const countersOf = (metrics: ReadonlyMap<string, Family>) =>
    [...metrics.values()]
      .filter(({ type }) => type === "COUNTER")
      .flatMap(({ name, metrics: all }) =>
        all.map(
          ({ labels, value }) => [`${name} ${JSON.stringify(labels)}`, Number(value)] as const,
        ),
      );
  const before = countersOf(parsed(await textOf(url)));
  service.fail({ thread: 0, how: "throw" });
  await service.restarted(1);
  const after = new Map(countersOf(parsed(await textOf(url))));
  const lower = before.filter(([name, value]) => (after.get(name) ?? 0) < value);
  expect(lower).toEqual([]);
  expect(after.get("ringcache_worker_restarts_total undefined")).toBe(1);
  await service.stop();
});
