// The start of a server: time to the first response, and resident memory before and after it.

import { median } from "simple-statistics";

import { markdown } from "./compare-run.ts";
import type { Peer } from "./peers.ts";

interface StartRow {
  readonly server: string;
  /** From the start of the process to the end of the first response. */
  readonly firstResponseMs: number;
  readonly rssBytes: number;
  readonly rssAfterFirstBytes: number;
}

/** Resident memory is read this long after the process listens. */
const SETTLE_MS = 500;
const FIRST = { redis: "PING\r\n", memcached: "version\r\n" } as const;

/** Starts each server `rounds` times, in turn. */
export async function startRows(
  starts: readonly (() => Promise<Peer>)[],
  rounds: number,
): Promise<StartRow[]> {
  const rows: StartRow[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const start of starts) {
      // One start for the time, and one for the memory, which nothing has been asked of.
      const beganMs = performance.now();
      const timed = await start();
      await request(timed);
      const firstResponseMs = performance.now() - beganMs;
      await timed[Symbol.asyncDispose]();
      await using peer = await start();
      await Bun.sleep(SETTLE_MS);
      const rssBytes = peer.rssBytes();
      await request(peer);
      const rssAfterFirstBytes = peer.rssBytes();
      rows.push({ server: peer.label, firstResponseMs, rssBytes, rssAfterFirstBytes });
    }
  }
  return rows;
}

export function startTable(rows: readonly StartRow[]): string {
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  return markdown(
    ["start", "first response after", "RSS at the start", "RSS after the first request"],
    [...Map.groupBy(rows, ({ server }) => server)].map(([server, some]) => [
      server,
      `${median(some.map(({ firstResponseMs }) => firstResponseMs)).toFixed(0)} ms`,
      megabytes(median(some.map(({ rssBytes }) => rssBytes))),
      megabytes(median(some.map(({ rssAfterFirstBytes }) => rssAfterFirstBytes))),
    ]),
  );
}

/** One request: over HTTP where the server speaks only that. */
async function request({ name, url, port }: Peer): Promise<void> {
  if (name === "floor" || name === "go") {
    await (await fetch(`${url}/get?key=none`)).text();
    return;
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data: () => resolve(),
      close: () => reject(new Error(`${name} closed the connection`)),
    },
  });
  socket.write(name === "memcached" ? FIRST.memcached : FIRST.redis);
  await promise;
  socket.end();
}
