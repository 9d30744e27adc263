// Error responses through nginx and HAProxy with their defaults: each must reach the client, and none
// may make the proxy take the service for dead.

import { EventLoopMonitor } from "../../../src/service/event-loop-monitor.ts";
import { allocateBudget, ByteBudget } from "../../../src/shared-memory/byte-budget.ts";
import { createService, serveParts, startService } from "../../lib/service.ts";
import { HAPROXY, isInstalled, NGINX, type Proxy, startProxy } from "./proxies.ts";

export const PROXIES: readonly Proxy[] = [NGINX, HAPROXY];

export interface Row {
  readonly proxy: string;
  readonly rejection: string;
  readonly bodyBytes: number;
  /** Number of responses by status; "none" where the connection broke. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly expected: number;
}

interface Rejection {
  readonly name: string;
  readonly status: number;
  readonly path: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Smaller bodies are not rejected. */
  readonly minBytes?: number;
}

interface Backend extends AsyncDisposable {
  readonly url: string;
}

const TOKEN = "secret";
const WITH_TOKEN = { authorization: `Bearer ${TOKEN}` };
const BODY_BYTES_MAX = 4_194_304;

/** By a service that serves. */
const REJECTIONS: readonly Rejection[] = [
  { name: "no token", status: 401, path: "/put" },
  { name: "wrong token", status: 401, path: "/put", headers: { authorization: "Bearer wrong" } },
  { name: "read token", status: 403, path: "/put", headers: { authorization: "Bearer reader" } },
  {
    ...{ name: "foreign origin", status: 403, path: "/put" },
    headers: { ...WITH_TOKEN, origin: "http://evil.example" },
  },
  { name: "no such path", status: 404, path: "/nowhere", headers: WITH_TOKEN },
  { name: "wrong method", status: 405, path: "/get", headers: WITH_TOKEN },
  { name: "not JSON", status: 400, path: "/put", headers: WITH_TOKEN },
  {
    ...{ name: "body too large", status: 413, path: "/mput" },
    ...{ headers: WITH_TOKEN, minBytes: BODY_BYTES_MAX + 1 },
  },
];

/** An event loop whose timer was late, and has not run since. */
function lateLoop(): EventLoopMonitor {
  const monitor = new EventLoopMonitor();
  monitor.begin(-1000);
  monitor.observe(0);
  return monitor;
}

function serveLoading(): Backend {
  const service = createService();
  service.state.phase = "loading";
  return serveParts({ service });
}

function serveLate(): Backend {
  const service = { ...createService(), lag: lateLoop() };
  return serveParts({ service }, "--shed-after-ms", "50");
}

/** Another body has claimed all of --max-pending-bytes. */
function serveWithoutRoom(): Backend {
  const budget = new ByteBudget(allocateBudget(1), 0, 65_536);
  budget.resize(0, budget.limitBytes);
  return serveParts({ service: { ...createService(), budget } }, "--max-body-bytes", "64mb");
}

/** Services that reject every request, or every large one, with 503. */
const UNAVAILABLE: readonly (readonly [rejection: Rejection, start: () => Backend])[] = [
  [{ name: "loading", status: 503, path: "/put" }, serveLoading],
  [{ name: "overloaded", status: 503, path: "/put" }, serveLate],
  [
    { name: "no room for the body", status: 503, path: "/put", minBytes: 100_000 },
    serveWithoutRoom,
  ],
];

/** Sends each rejected request `times` times with bodies of these sizes through each installed proxy. */
export async function runRejections(times: number, sizes: readonly number[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const proxy of PROXIES.filter(isInstalled)) {
    const run = async (url: string, rejection: Rejection): Promise<void> => {
      const { name, minBytes = 0 } = rejection;
      for (const bodyBytes of sizes.filter((bytes) => bytes >= minBytes)) {
        const statuses = await send(url, rejection, bodyBytes, times);
        const isTooLarge = rejection.status === 400 && bodyBytes > BODY_BYTES_MAX;
        const expected = isTooLarge ? 413 : rejection.status;
        rows.push({ proxy: proxy.name, rejection: name, bodyBytes, statuses, expected });
      }
    };
    const options = ["--auth-token", TOKEN, "--read-token", "reader", "--memory", "64mb"];
    await using service = await startService(options);
    await using running = await startProxy(proxy, service.url);
    for (const rejection of REJECTIONS) await run(running.url, rejection);
    rows.push(await sendTrailers(proxy.name, running.url, times));
    for (const [rejection, start] of UNAVAILABLE) {
      await using backend = start();
      await using inFront = await startProxy(proxy, backend.url);
      await run(inFront.url, rejection);
    }
  }
  return rows;
}

async function send(url: string, rejection: Rejection, bodyBytes: number, times: number) {
  const { path, method = "POST", headers = {} } = rejection;
  const body = Buffer.alloc(bodyBytes, "x");
  const statuses: Record<string, number> = {};
  for (let n = 0; n < times; n++) {
    const status = await fetch(url + path, { method, headers, body }).then(
      async (response) => {
        await response.arrayBuffer();
        return `${response.status}`;
      },
      () => "none",
    );
    statuses[status] = (statuses[status] ?? 0) + 1;
  }
  return statuses;
}

/** A chunked request with a trailer, then a request of another client, which gets its own response. */
async function sendTrailers(proxy: string, url: string, times: number): Promise<Row> {
  const { hostname, port } = new URL(url);
  const statuses: Record<string, number> = {};
  const authorization = `Authorization: Bearer ${TOKEN}`;
  for (let n = 0; n < times; n++) {
    const responded = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      ...{ hostname, port: Number(port) },
      socket: { data: () => responded.resolve(), close: () => responded.resolve() },
    });
    socket.write(
      `POST /put HTTP/1.1\r\nHost: x\r\n${authorization}\r\nTransfer-Encoding: chunked\r\n\r\n` +
        '17\r\n{"key":"j","value":"v"}\r\n0\r\nX-Checksum: abc\r\n\r\n',
    );
    await responded.promise;
    const { status } = await fetch(`${url}/get?key=j`, { headers: WITH_TOKEN });
    statuses[status] = (statuses[status] ?? 0) + 1;
    socket.end();
  }
  return { proxy, rejection: "after a trailer", bodyBytes: 23, statuses, expected: 200 };
}
