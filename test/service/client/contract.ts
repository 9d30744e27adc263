// The contract of ringcache/client, for any runtime: it uses nothing but the standards of the web. The
// caller passes the service and `connect`, and gets the names of the laws that do not hold.

import type { Client, ConnectOptions } from "../../../src/client/types.ts";

type Connect = (url: string, options?: ConnectOptions) => Client;

interface Context {
  readonly cache: Client;
  readonly url: string;
  readonly connect: Connect;
  /** A key of this law. */
  readonly key: string;
}

type Law = (context: Context) => Promise<void>;

/** Runs all laws. Returns a line for each that does not hold. */
export async function brokenLaws(url: string, connect: Connect): Promise<string[]> {
  const broken: string[] = [];
  // With the default of 1 s, a caller on a slow machine calls its function although another one does.
  const patient: Connect = (at, options) => connect(at, { timeout: 60, ...options });
  for (const [name, law] of Object.entries(LAWS)) {
    const key = `${name} 🎉 ${Math.random()}`;
    try {
      await law({ cache: patient(url), url, connect: patient, key });
    } catch (error) {
      broken.push(`${name}: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
  return broken;
}

/** No service listens there. */
const NOWHERE = "http://127.0.0.1:9";

const LAWS: Readonly<Record<string, Law>> = {
  async "wrap calls the function once, and then returns the stored value"({ cache, key }) {
    let calls = 0;
    const work = () => ({ call: ++calls, text: "é🎉" });
    equal(await cache.wrap(key, work), { call: 1, text: "é🎉" });
    equal(await cache.wrap(key, work), { call: 1, text: "é🎉" });
    equal(await cache.get(key), { call: 1, text: "é🎉" });
  },

  async "callers of one process and of several share one call"({ url, connect, key }) {
    let calls = 0;
    const work = async () => {
      await pause(100);
      return ++calls;
    };
    const clients = Array.from({ length: 4 }, () => connect(url));
    const callers = clients.flatMap((client) =>
      Array.from({ length: 10 }, () => client.wrap(key, work)),
    );
    equal(
      await Promise.all(callers),
      callers.map(() => 1),
    );
    equal(calls, 1);
  },

  async "get, set, delete and getMany"({ cache, key }) {
    equal(await cache.get(key), undefined);
    for (const value of [null, 0, "", "text", [1, { a: "b" }], true]) {
      await cache.set(key, value, { ttl: 60 });
      equal(await cache.get(key), value);
    }
    await cache.set(`${key}/2`, "two");
    const found = await cache.getMany([key, `${key}/none`, `${key}/2`]);
    equal(
      [...found],
      [
        [key, true],
        [`${key}/2`, "two"],
      ],
    );
    equal(await cache.delete(key), true);
    equal(await cache.delete(key), false);
    await rejects(cache.set(key, undefined), "TypeError");
  },

  async "encode and decode carry any bytes"({ url, connect, key }) {
    const cache = connect(url, {
      encode: (value) => value as Uint8Array,
      decode: (bytes) => [...bytes],
    });
    const bytes = new Uint8Array([0, 255, 13, 10, 0xc3]);
    equal(await cache.wrap<unknown>(key, () => bytes), bytes);
    equal(await cache.get(key), [...bytes]);
    equal((await cache.getMany([key])).get(key), [...bytes]);
  },

  async "a value of 500,000 bytes"({ cache, key }) {
    const value = "v".repeat(500_000);
    equal((await cache.wrap(key, () => value)).length, 500_000);
    equal(await cache.get(key), value);
  },

  async "a value without an encoding is returned and not stored"({ cache, key }) {
    equal(await cache.wrap(key, () => undefined), undefined);
    equal(await cache.wrap(key, () => "next"), "next");
  },

  async "invalidate makes the values of a tag a miss"({ cache, key }) {
    const tags = [`tag ${key}`, "other"];
    let calls = 0;
    const work = () => ++calls;
    await cache.wrap(key, work, { tags });
    await cache.set(`${key}/set`, 1, { tags });
    await cache.invalidate([`tag ${key}`]);
    equal(await cache.get(`${key}/set`), undefined);
    equal(await cache.wrap(key, work, { tags }), 2);
    await cache.invalidate({ keys: [key] });
    equal(await cache.wrap(key, work, { tags }), 3);
    await rejects(cache.set(key, 1, { tags: ["a,b"] }), "TypeError");
  },

  async "a stale value is returned at once, and refreshed by one call"({
    url,
    cache,
    connect,
    key,
  }) {
    await cache.set(key, "old", { ttl: 1, stale: 1000 });
    while ((await cache.get(key)) !== undefined) await pause(20);
    let calls = 0;
    const refreshed = gate();
    const work = async () => {
      calls++;
      await refreshed.opened;
      return "new";
    };
    for (const client of [cache, connect(url), cache]) equal(await client.wrap(key, work), "old");
    equal(calls, 1);
    refreshed.open();
    // Callers get the old value until the refresh has the answer to its put.
    while ((await cache.wrap(key, work)) !== "new") await pause(10);
    equal(calls, 1);
  },

  async "an error of the function reaches its callers, and releases the lease"({
    url,
    connect,
    key,
  }) {
    const failing = () => Promise.reject(new Error("planned"));
    const [one, two] = [connect(url), connect(url)];
    const callers = [one.wrap(key, failing), one.wrap(key, failing)];
    for (const caller of callers) await rejects(caller, "planned");
    equal(await two.wrap(key, () => "next", { lease: 1000 }), "next");
  },

  async "an error of a refresh leaves the stale value"({ url, connect, key }) {
    const errors: unknown[] = [];
    const cache = connect(url, { onError: (error) => errors.push(error) });
    await cache.set(key, "old", { ttl: 1, stale: 1000 });
    while ((await cache.get(key)) !== undefined) await pause(20);
    equal(await cache.wrap(key, () => Promise.reject(new Error("planned"))), "old");
    while (errors.length === 0) await pause(10);
    while ((await cache.wrap(key, () => "new")) !== "new") await pause(10);
  },

  async "a value that was computed before a delete is not stored"({ cache, key }) {
    const work = async () => {
      await cache.delete(key);
      return "old";
    };
    equal(await cache.wrap(key, work), "old");
    equal(await cache.get(key), undefined);
  },

  async "a value that was computed before an invalidation is not stored"({ cache, key }) {
    const tags = [`before ${key}`];
    const work = async () => {
      await cache.invalidate(tags);
      return "old";
    };
    equal(await cache.wrap(key, work, { tags }), "old");
    equal(await cache.get(key), undefined);
  },

  async "a signal ends its own caller, and the function once all callers have left"({
    cache,
    key,
  }) {
    const [first, second] = [new AbortController(), new AbortController()];
    let left: AbortSignal | undefined;
    const started = gate();
    const work = (signal: AbortSignal) => {
      left = signal;
      started.open();
      return new Promise<string>(() => {});
    };
    const one = cache.wrap(key, work, { signal: first.signal });
    const two = cache.wrap(key, work, { signal: second.signal });
    await started.opened;
    first.abort(new Error("first"));
    await rejects(one, "first");
    equal(left?.aborted, false);
    second.abort(new Error("second"));
    await rejects(two, "second");
    equal(left?.aborted, true);
    await rejects(cache.wrap(key, work, { signal: first.signal }), "first");
    await rejects(cache.get(key, { signal: first.signal }), "first");
  },

  async "without a service the function is called, and other methods reject"({ connect, key }) {
    const errors: unknown[] = [];
    const cache = connect(NOWHERE, { onError: (error) => errors.push(error) });
    for (let n = 0; n < 5; n++) equal(await cache.wrap(key, () => n), n);
    equal(errors.length > 0, true);
    await rejects(cache.get(key), "CacheError");
    await rejects(cache.invalidate(["t"]), "CacheError");
    await rejects(
      cache.wrap(key, () => Promise.reject(new Error("planned"))),
      "planned",
    );
  },

  async "a service that never responds delays no caller for longer than the timeout"({
    connect,
    key,
  }) {
    const fetch = (_url: string, { signal }: RequestInit) =>
      new Promise<Response>((_, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason));
      });
    const cache = connect(NOWHERE, { fetch, timeout: 0.05 });
    equal(await cache.wrap(key, () => "value"), "value");
    await rejects(cache.set(key, 1), "CacheError");
  },

  async "the local layer asks no service for what it has"({ url, connect, key }) {
    let requests = 0;
    const fetch = (target: string, init: RequestInit) => {
      requests++;
      return globalThis.fetch(target, init);
    };
    const cache = connect(url, { fetch, local: { max: 10, ttl: 1000 } });
    equal(await cache.wrap(key, () => 1), 1);
    const before = requests;
    equal(await cache.wrap(key, () => 2), 1);
    equal(await cache.get(key), 1);
    equal(requests, before);
    await cache.set(key, 3);
    equal(await cache.wrap(key, () => 4), 3);
    await cache.invalidate({ keys: [key] });
    equal(await cache.wrap(key, () => 5), 5);
  },
};

function equal(actual: unknown, expected: unknown): void {
  const [one, two] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (one !== two)
    throw new Error(`${String(one).slice(0, 200)} is not ${String(two).slice(0, 200)}`);
}

/** `text`: a part of the error's name or message. */
async function rejects(promise: Promise<unknown>, text: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  const shown = error instanceof Error ? `${error.name} ${error.message}` : "no error";
  if (!shown.includes(text)) throw new Error(`${shown} is not ${text}`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, ms));
}

function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
