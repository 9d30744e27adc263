// A worker without a thread: the test is its supervisor.

import { expect, test } from "bun:test";

import { fitOptions } from "../../../src/cache/cache.ts";
import { cacheOptionsOf, readConfig } from "../../../src/config/config.ts";
import type { FromWorker, SupervisorPort, ToWorker } from "../../../src/process/messages.ts";
import { serve } from "../../../src/process/serve.ts";
import { allocateSharedState } from "../../../src/process/shared-state.ts";
import { ServiceState } from "../../../src/service/service.ts";
import { until } from "../../lib/until.ts";

const TOKENS = { authToken: "", readToken: "" };

test("a worker serves until it is stopped, and passes requests of clients to the process", async () => {
  const worker = start("--port", "0", "--data-dir", "/nowhere");
  const { url } = await worker.next("listening");
  expect((await fetch(`${url}/get?key=k`)).status).toBe(503);
  worker.send({ kind: "ready" });
  await worker.next("serving");
  expect((await fetch(`${url}/get?key=k`)).status).toBe(404);

  const saving = fetch(`${url}/snapshot`, { method: "POST" });
  const { id } = await worker.next("save");
  const outcome = { isSaved: true, entries: 3, bytes: 100, tookMs: 1 } as const;
  worker.send({ kind: "saved", id, outcome });
  expect(await (await saving).json()).toMatchObject({ entries: 3 });

  worker.send({
    kind: "renew",
    credentials: { tokens: { ...TOKENS, authToken: "t" }, tls: undefined },
  });
  await worker.next("renewed");
  expect((await fetch(`${url}/get?key=k`)).status).toBe(401);

  worker.send({ kind: "stop", graceMs: 0 });
  await worker.next("stopped");
  await expect(fetch(`${url}/livez`)).rejects.toThrow();
});

test("a worker that cannot open a port posts its number and the error code", async () => {
  const other = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const worker = start("--port", String(other.port));
  expect(await worker.next("refused")).toEqual({
    ...{ kind: "refused", code: "EADDRINUSE" },
    port: other.port,
  });
  other.stop(true);
});

interface TestWorker {
  send(message: ToWorker): void;
  /** Resolves with the oldest message of this kind that has not been taken. */
  next<K extends FromWorker["kind"]>(kind: K): Promise<Extract<FromWorker, { kind: K }>>;
}

function start(...options: string[]): TestWorker {
  const own = ["--host", "127.0.0.1", "--resp-port", "0", "--workers", "1", "--memory", "64mb"];
  own.push("--shed-after-ms", "0");
  const config = readConfig([...own, ...options], {});
  const state = allocateSharedState(config, fitOptions(cacheOptionsOf(config)));
  const received: FromWorker[] = [];
  let listener: (message: ToWorker) => void = () => {};
  const port: SupervisorPort = {
    postMessage: (message) => received.push(message),
    on: (_event, added) => (listener = added),
  };
  const credentials = { tokens: TOKENS, tls: undefined };
  serve({ config, credentials, state, thread: 0, serviceAgeMs: 0 }, port);
  return {
    send(message) {
      if (message.kind === "ready") new ServiceState(state.service).phase = "serving";
      listener(message);
    },
    async next<K extends FromWorker["kind"]>(kind: K) {
      const index = () => received.findIndex((message) => message.kind === kind);
      await until(`the worker posts ${kind}`, () => index() >= 0);
      return received.splice(index(), 1)[0] as Extract<FromWorker, { kind: K }>;
    },
  };
}
