// The responses to clients while a snapshot is being loaded, and while they wait for a new
// snapshot.

import { expect, test } from "bun:test";

import type { SaveOutcome } from "../../../src/service/service.ts";
import { createService, serveParts, serveRedis } from "../../lib/service.ts";
import { connectRaw } from "../resp/raw-client.ts";

const SAVED: SaveOutcome = { isSaved: true, entries: 0, bytes: 0, tookMs: 1 };
const LOADING = "-LOADING Redis is loading the dataset in memory\r\n";

test("every HTTP response is 503 until the snapshot is loaded", async () => {
  const service = createService();
  service.state.phase = "loading";
  await using server = serveParts({ service });
  for (const path of ["/health", "/get?key=k", "/nowhere"]) {
    const response = await fetch(server.url + path);
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await response.json()).toEqual({ status: "ERROR", message: "loading" });
  }
  service.state.phase = "serving";
  server.ready();
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  expect((await fetch(`${server.url}/get?key=k`)).status).toBe(404);
});

test("Redis clients get -LOADING until then, except for commands that report the state", async () => {
  const { state } = createService();
  state.phase = "loading";
  await using service = serveRedis([], undefined, { state });
  using client = await connectRaw(service.port);
  client.send(
    "GET k\r\nSET k v\r\nPING\r\nCLIENT SETNAME me\r\nINFO persistence\r\nCLIENT GETNAME\r\n",
  );
  const replies = await client.until("$2\r\nme\r\n");
  expect(replies).toStartWith(`${LOADING.repeat(3)}+OK\r\n`);
  expect(replies).toContain("loading:1\r\n");
  expect(replies).toContain("loading_eta_seconds:1\r\n");
  state.phase = "serving";
  client.send("PING\r\n");
  expect(await client.until("+PONG\r\n")).toEndWith("+PONG\r\n");
});

test("SHUTDOWN while the snapshot is being loaded leaves the file unchanged", async () => {
  const { state } = createService();
  state.phase = "loading";
  const save = async (): Promise<SaveOutcome> => {
    throw new Error("a save would lose the entries that are not loaded yet");
  };
  await using service = serveRedis(["--data-dir", "/nowhere"], undefined, { state, save });
  using client = await connectRaw(service.port);
  client.send("SHUTDOWN SAVE\r\n");
  expect(await client.until("\r\n")).toBe(LOADING);
  expect(service.events).toEqual([]);
  client.send("SHUTDOWN\r\n");
  await client.closed;
  expect(service.events).toEqual(["shutdown nosave"]);
});

test("SAVE replies when the snapshot is written, and later commands of the client wait", async () => {
  const asked = Promise.withResolvers<void>();
  const saved = Promise.withResolvers<SaveOutcome>();
  const save = () => {
    asked.resolve();
    return saved.promise;
  };
  await using service = serveRedis(["--data-dir", "/nowhere"], undefined, { save });
  using client = await connectRaw(service.port);
  using other = await connectRaw(service.port);
  client.send("SET k 1\r\nSAVE\r\nINCR k\r\n");
  await asked.promise;
  client.send("INCR k\r\n");
  // Other clients are served meanwhile.
  other.send("INCR k\r\n");
  expect(await other.until("\r\n")).toBe(":2\r\n");
  saved.resolve(SAVED);
  expect(await client.until(":4\r\n")).toBe("+OK\r\n+OK\r\n:3\r\n:4\r\n");
});

test("a failed SAVE replies with the reason, also after another client left, and obeys CLIENT REPLY", async () => {
  const failed = { isSaved: false, reason: "no space is left on the device (ENOSPC)" } as const;
  const outcome = Promise.withResolvers<SaveOutcome>();
  let calls = 0;
  const save = async () => (++calls === 1 ? await outcome.promise : failed);
  await using service = serveRedis(["--data-dir", "/nowhere"], undefined, { save });
  using gone = await connectRaw(service.port);
  gone.send("SAVE\r\n");
  using client = await connectRaw(service.port);
  client.send("CLIENT REPLY SKIP\r\nSAVE\r\nSAVE\r\n");
  const text = await client.until("\r\n");
  expect(text).toBe("-ERR the snapshot failed: no space is left on the device (ENOSPC)\r\n");
  gone[Symbol.dispose]();
  outcome.resolve(SAVED);
  client.send("PING\r\n");
  expect(await client.until("+PONG\r\n")).toBe(`${text}+PONG\r\n`);
  expect(service.events).toEqual([]);
});

test("BGSAVE replies at once, SHUTDOWN selects whether to save, and without a folder all return an error", async () => {
  const { state } = createService();
  const asked: boolean[] = [];
  const changes = {
    state,
    save: async () => SAVED,
    shutDown: (saves: boolean) => asked.push(saves),
  };
  await using service = serveRedis(["--data-dir", "/nowhere"], undefined, changes);
  using client = await connectRaw(service.port);
  state.phase = "serving";
  client.send("BGSAVE\r\nBGSAVE SCHEDULE\r\nBGSAVE NOW\r\nLASTSAVE\r\n");
  state.set("savedMs", 5000);
  expect(await client.until(":5\r\n")).toBe(
    "+Background saving started\r\n+Background saving started\r\n-ERR syntax error\r\n:5\r\n",
  );
  state.set("isSaving", 1);
  client.send("BGSAVE\r\nBGSAVE SCHEDULE\r\nECHO end\r\n");
  expect(await client.until("end\r\n")).toContain(
    "-ERR Background save already in progress\r\n+Background saving scheduled\r\n",
  );
  client.send("SHUTDOWN NOSAVE\r\n");
  await client.closed;
  using second = await connectRaw(service.port);
  second.send("SHUTDOWN\r\n");
  await second.closed;
  expect(asked).toEqual([false, true]);

  await using bare = serveRedis();
  using without = await connectRaw(bare.port);
  without.send("SAVE\r\nBGSAVE\r\nSHUTDOWN SAVE\r\nPING\r\n");
  const noFolder = "-ERR there is no folder to save to; start the service with --data-dir\r\n";
  expect(await without.until("+PONG\r\n")).toBe(`${noFolder.repeat(3)}+PONG\r\n`);
});
