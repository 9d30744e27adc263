// Random commands, cut and changed, over sockets to a node in front of a redis-server. Whatever comes, the
// node goes on, and when all clients are gone, nothing is in flight or claimed any more.

import { COMMAND_NAMES } from "../../../src/resp/commands/table.ts";
import type { Random } from "../../lib/random.ts";
import { startRedis } from "../../lib/redis-server.ts";
import { freePort, type ServiceProcess, startService } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";

/** Clients at a time. Each sends some batches on a connection, and then leaves. */
const CLIENTS = 8;
const BATCHES = 20;
const BATCH_COMMANDS_MAX = 40;
const CLOSE_MS_MAX = 2000;
/** These end the node or other clients, pause all clients, or wait. */
const SKIPPED = /^(shutdown|client\|(kill|pause)|debug|monitor|b[lrz][a-z]+)/;
/** Half of the commands: those that are sent by key, split, sent everywhere, or change the session. */
const FREQUENT = [
  ...["get", "mget", "set", "del", "incr", "expire", "scan", "mset", "dbsize", "randomkey"],
  ...["multi", "exec", "watch", "discard", "client|reply"],
];
const WORDS = [
  ...["k", "k2", "{a}1", "{a}2", "1", "0", "-1", "abc", "", "\xff\xfe", "EX", "PX", "NX", "XX"],
  ...["GET", "MATCH", "COUNT", "*", "10", "9223372036854775807", "1e5", "x".repeat(3000)],
  ...["x".repeat(100_000), "ON", "OFF", "SKIP"],
];

export interface UpstreamFuzzFigures {
  readonly seed: number;
  readonly commands: number;
  readonly connections: number;
}

/** Sends commands for some seconds. Throws if the node breaks a law. */
export async function fuzzUpstream(
  seconds: number,
  random: Random,
  progress: (commands: number) => void,
): Promise<UpstreamFuzzFigures> {
  await using redis = await startRedis("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru");
  const port = freePort();
  await using node = await startService([
    ...["--upstream", `127.0.0.1:${redis.port}`, "--upstream-timeout", "30"],
    ...["--resp-port", `${port}`, "--workers", "1", "--max-pending-bytes", "4mb"],
  ]);
  await until("the node is ready", async () => (await fetch(`${node.url}/readyz`)).ok);
  const run = new Run(port, random);
  const endMs = performance.now() + seconds * 1000;
  const client = async (): Promise<void> => {
    while (performance.now() < endMs) {
      await run.connection();
      progress(run.commands);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  await checkRest(node);
  return { seed: random.seed, commands: run.commands, connections: run.connections };
}

class Run {
  readonly #port: number;
  readonly #random: Random;
  readonly #names = COMMAND_NAMES.filter((name) => !SKIPPED.test(name));
  commands = 0;
  connections = 0;

  constructor(port: number, random: Random) {
    this.#port = port;
    this.#random = random;
  }

  /** Sends batches, does not wait for their replies, and leaves. */
  async connection(): Promise<void> {
    const { below } = this.#random;
    this.connections++;
    const closed = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      ...{ hostname: "127.0.0.1", port: this.#port },
      socket: { data() {}, close: () => closed.resolve(), error: () => closed.resolve() },
    });
    for (let batch = 0; batch < BATCHES; batch++) {
      const bytes = this.#batch();
      const cut = below(bytes.length);
      socket.write(bytes.subarray(0, cut));
      if (below(3) === 0) await Bun.sleep(1);
      socket.write(bytes.subarray(cut));
      if (below(10) === 0) await Bun.sleep(below(5));
    }
    if (below(2) === 0) socket.end();
    else socket.terminate();
    await Promise.race([closed.promise, Bun.sleep(CLOSE_MS_MAX)]);
    socket.terminate();
  }

  #batch(): Buffer {
    const { below } = this.#random;
    const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
    let text = "";
    for (let left = 1 + below(BATCH_COMMANDS_MAX); left > 0; left--) {
      const name = pick(below(2) === 0 ? FREQUENT : this.#names);
      const words = [...name.split("|"), ...Array.from({ length: below(5) }, () => pick(WORDS))];
      text += `*${words.length}\r\n${words.map((one) => `$${one.length}\r\n${one}\r\n`).join("")}`;
      this.commands++;
    }
    const bytes = Buffer.from(text, "latin1");
    if (below(200) === 0) bytes[below(bytes.length)] = below(256);
    return bytes;
  }
}

async function checkRest(node: ServiceProcess): Promise<void> {
  const figure = async (name: string): Promise<number> => {
    const text = await (await fetch(`${node.url}/metrics`)).text();
    return Number(new RegExp(`^ringcache_${name} (\\d+)$`, "m").exec(text)?.[1]);
  };
  for (const name of ["upstream_in_flight", "pending_bytes"]) {
    await until(`${name} is 0`, async () => (await figure(name)) === 0);
  }
  if ((await figure("worker_restarts_total")) !== 0) throw new Error("a worker has ended");
  const failed = (await node.stdout()).split("\n").filter((line) => / failed|restarted/.test(line));
  if (failed.length > 0) throw new Error(`the log tells of a failure: ${failed[0]}`);
}
