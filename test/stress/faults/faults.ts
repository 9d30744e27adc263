// Workers that fail under load, again and again: the effect on clients of other workers, and whether the
// counters still add up. `bun run stress faults` is the long form.

import { Connection, ConnectionError } from "../../../src/loadtest/connection.ts";
import { Cache, fitOptions } from "../../../src/cache/cache.ts";
import { cacheOptionsOf, readConfig } from "../../../src/config/config.ts";
import { readTokens } from "../../../src/security/credentials.ts";
import { PortClaim } from "../../../src/process/port-claim.ts";
import { ServiceState } from "../../../src/service/service.ts";
import { countOf } from "../../../src/cache/store/counters.ts";
import { allocateSharedState, type SharedState } from "../../../src/process/shared-state.ts";
import { Supervisor } from "../../../src/process/supervisor.ts";
import { type Fault, FAULT_CHANNEL } from "./faulty-worker.ts";
import { until } from "../../lib/until.ts";

const CONNECTIONS = 32;
/** At a shorter interval the supervisor would give up: five failures within ten seconds. */
const KILL_EVERY_MS = 2600;
/** Responses before and after each failure. */
const REQUESTS_AROUND = 2000;

export interface FaultsReport {
  readonly kills: number;
  readonly requests: number;
  /** Requests that failed on connections of the worker that was killed: those in flight. */
  readonly failedWithWorker: number;
  /** Requests that failed on any other connection; must be 0. */
  readonly failedOnOthers: number;
  /** From a worker's end to its successor's, in milliseconds. */
  readonly slowestRestartMs: number;
  /** Gets that the service counted, less the responses; at most `failedWithWorker`. */
  readonly unansweredGets: number;
  readonly lostThreads: number;
}

/** A service of two faulty workers in this process. */
export class FaultyService {
  readonly cache: Cache;
  readonly workers = 2;
  readonly restarts: { readonly thread: number; readonly reason: string }[] = [];
  readonly gaveUp = Promise.withResolvers<string>();
  readonly port: number;
  readonly #state: SharedState;
  readonly #supervisor: Supervisor;
  readonly #channel = new BroadcastChannel(FAULT_CHANNEL);

  /** `respPort`: a free port for Redis clients; 0: none. */
  static async start(respPort = 0): Promise<FaultyService> {
    const claim = await PortClaim.take("127.0.0.1", 0);
    const service = new FaultyService(claim.port, respPort);
    await service.#supervisor.start();
    claim.release();
    return service;
  }

  private constructor(port: number, respPort: number) {
    // A service that sheds load responds with 503, and counts no get.
    const options = ["--resp-port", `${respPort}`, "--workers", "2", "--shed-after-ms", "0"];
    const config = readConfig(["--host", "127.0.0.1", ...options], {});
    const cacheOptions = fitOptions({ ...cacheOptionsOf(config), memoryBytes: 2 ** 28 });
    this.port = port;
    this.#state = allocateSharedState(config, cacheOptions);
    this.cache = new Cache(cacheOptions, this.#state.cache, this.workers);
    new ServiceState(this.#state.service).phase = "serving";
    const start = {
      config: { ...config, port },
      credentials: { tokens: readTokens(config), tls: undefined },
      state: this.#state,
    };
    const events = {
      log: (_thread: number, line: string) => void process.stdout.write(line),
      listening: () => {},
      restarted: (thread: number, reason: string) => void this.restarts.push({ thread, reason }),
      save: async () => ({ isSaved: false, reason: "there is no folder" }) as const,
      shutDown: () => {},
      gaveUp: (_thread: number, reason: string) => this.gaveUp.resolve(reason),
    };
    const script = new URL("faulty-worker.ts", import.meta.url);
    this.#supervisor = new Supervisor(this.cache, start, events, script);
  }

  /** Makes a worker fail. */
  fail(fault: Fault): void {
    this.#channel.postMessage(fault);
  }

  /** Resolves once `count` workers were replaced, and all workers listen. */
  async restarted(count: number): Promise<void> {
    await until(`${count} workers are replaced`, () => this.restarts.length >= count);
    await this.#supervisor.listening();
  }

  async stop(): Promise<void> {
    this.#channel.close();
    await this.#supervisor.stop(0);
  }

  /** Returns the number of gets that a worker has counted. */
  getsOf(thread: number): number {
    const { counters } = this.#state.cache;
    return countOf(counters, thread, "hit") + countOf(counters, thread, "miss");
  }
}

/** One client connection, and the worker that serves it. */
interface Client {
  connection: Connection;
  thread: number;
}

export async function runFaults(kills: number): Promise<FaultsReport> {
  const service = await FaultyService.start();
  const counts = { requests: 0, failedWithWorker: 0, failedOnOthers: 0 };
  let slowestRestartMs = 0;
  const clients: Client[] = [];
  for (let n = 0; n < CONNECTIONS; n++) clients.push(await connected(service, counts));

  for (let kill = 1; kill <= kills; kill++) {
    const startMs = performance.now();
    const killed = kill % service.workers;
    let isOver = false;
    const load = Promise.all(clients.map((client) => drive(client)));
    async function drive({ connection, thread }: Client): Promise<void> {
      while (!isOver) {
        try {
          await getMissing(connection);
          counts.requests++;
        } catch (error) {
          if (!(error instanceof ConnectionError)) throw error;
          if (thread === killed) counts.failedWithWorker++;
          else counts.failedOnOthers++;
          return;
        }
      }
    }
    await answered(counts, REQUESTS_AROUND);
    const killMs = performance.now();
    const how = (["throw", "reject", "exit"] as const)[kill % 3] ?? "throw";
    service.fail({ thread: killed, how });
    await service.restarted(kill);
    slowestRestartMs = Math.max(slowestRestartMs, performance.now() - killMs);
    await answered(counts, REQUESTS_AROUND);
    isOver = true;
    await load;
    // No request is in flight: a counter shows the worker of each new connection.
    for (const [n, { connection, thread }] of clients.entries()) {
      if (thread !== killed) continue;
      connection.close();
      clients[n] = await connected(service, counts);
    }
    if (kills >= 5) await Bun.sleep(Math.max(0, KILL_EVERY_MS - (performance.now() - startMs)));
  }
  const { hit, miss, lostThreads } = service.cache.maintenance.stats();
  for (const { connection } of clients) connection.close();
  await service.stop();
  const unansweredGets = hit + miss - counts.requests;
  return { kills, ...counts, slowestRestartMs, unansweredGets, lostThreads };
}

/** Gets a missing key. Throws unless the response is 404: a worker counts no other response as a get. */
async function getMissing(connection: Connection): Promise<void> {
  const { status } = await connection.send("GET", "/get?key=k");
  if (status !== 404) throw new Error(`a get responded with ${status}, not 404`);
}

async function answered(counts: { readonly requests: number }, more: number): Promise<void> {
  const enough = counts.requests + more;
  await until("the requests are answered", () => counts.requests >= enough);
}

/** Connects, and finds the worker of the connection by one get while no other request is in flight. */
async function connected(service: FaultyService, counts: { requests: number }): Promise<Client> {
  const threads = Array.from({ length: service.workers }, (_, thread) => thread);
  const before = threads.map((thread) => service.getsOf(thread));
  const connection = new Connection("127.0.0.1", service.port);
  await getMissing(connection);
  counts.requests++;
  const thread = threads.find((candidate) => service.getsOf(candidate) > (before[candidate] ?? 0));
  if (thread === undefined) throw new Error("no worker has counted a get");
  return { connection, thread };
}
