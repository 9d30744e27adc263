// Sample stats for `bun run top` and the dashboard, and a server that sends only stats.

import type { HotKey, LiveStats } from "../../src/live/stats.ts";

const MIB = 2 ** 20;

/** Keys with characters that would change a terminal if they were printed unescaped. */
export const NASTY_KEYS: readonly string[] = [
  "user:1001",
  "\x1b[2J\x1b]0;owned\x07",
  "two\nlines\r\tand a tab",
  "back\\slash",
  "family 👨‍👩‍👧 and flag 🇨🇭",
  "c1 \x9b31m and del \x7f",
  "right\u202eto left, zero\u200bwidth",
  "漢字".repeat(60),
  "e\u0301\u0301\u0301 marks",
  "lone \ud800 surrogate",
];

/** Returns the stats of a busy service with four workers and 64 shards, with `changes`. */
export function sampleStats(changes: Partial<LiveStats> = {}): LiveStats {
  return {
    timeMs: 1_800_000_000_000,
    state: "serving",
    version: "0.1.0",
    uptimeSeconds: 273_128,
    requestsPerSecond: 123_456,
    hitRatio: 0.9341,
    latencyMs: { p50: 0.123, p99: 0.456, p999: 1.234 },
    entries: 1_234_567,
    memory: {
      maxBytes: 1024 * MIB,
      usedBytes: 729 * MIB,
      liveBytes: 650 * MIB,
      deadBytes: 20 * MIB,
      expiredBytes: 3 * MIB,
    },
    residentBytes: 1200 * MIB,
    errorsPerSecond: 1.5,
    rejectionsPerSecond: 0,
    network: {
      resp: { receivedPerSecond: 3 * MIB, sentPerSecond: 9 * MIB },
      interfaces: { receivedPerSecond: 5 * MIB, sentPerSecond: 14 * MIB },
    },
    evictionsPerSecond: 0,
    expirationsPerSecond: 12.5,
    caching: {
      ...{ leasesPerSecond: 40, waitsPerSecond: 320 },
      ...{ stalePerSecond: 25, invalidationsPerSecond: 7 },
    },
    upstream: null,
    clients: { http: 12, resp: 3 },
    virtualNodes: 1024,
    shards: Array.from({ length: 64 }, (_, shard) => {
      return { shard, share: 1 / 64, entries: 18_000 + 37 * shard, bytes: 11 * MIB };
    }),
    workers: [0.92, 0.55, 0.48, 0.5].map((load, worker) => {
      return { worker, load, requestsPerSecond: 60_000 * load };
    }),
    workerRestarts: 0,
    commands: [
      {
        ...{ protocol: "resp", command: "get", callsPerSecond: 80_000, errorsPerSecond: 0 },
        ...{ calls: 9_000_000, errors: 0 },
      },
      {
        ...{ protocol: "http", command: "put", callsPerSecond: 43_456, errorsPerSecond: 1.5 },
        ...{ calls: 4_000_000, errors: 12 },
      },
    ],
    rejections: [{ protocol: "http", reason: "overload", perSecond: 0, count: 17 }],
    hotKeys: { sampled: 12_345, oneIn: 16, keys: NASTY_KEYS.map(hotKey) },
    snapshot: { isEnabled: true, lastMs: 1_799_999_988_000, hasFailed: false },
    ...changes,
  };
}

function hotKey(key: string, rank: number): HotKey {
  return { key, count: 1300 - 100 * rank, error: 12 * rank };
}

/** Returns stats as one event of the stream. */
export function eventOf(stats: LiveStats): string {
  return `event: figures\ndata: ${JSON.stringify(stats)}\n\n`;
}

export interface StatsServer extends AsyncDisposable {
  readonly url: string;
  /** Sends a text on all open streams. */
  send(text: string): void;
  /** Ends all open streams. */
  hangUp(): void;
}

/** Serves `/events` on the loopback. Each stream starts with `greeting`. Port 0 is a free port. */
export function serveStats(greeting: string, port = 0): StatsServer {
  const listeners = new Set<ReadableStreamDefaultController<string>>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port,
    // Streams stay open while a test waits.
    idleTimeout: 0,
    routes: {
      "/events": () => {
        let own: ReadableStreamDefaultController<string>;
        const stream = new ReadableStream<string>({
          start(controller) {
            own = controller;
            listeners.add(controller);
            controller.enqueue(greeting);
          },
          cancel() {
            listeners.delete(own);
          },
        });
        const headers = { "Content-Type": "text/event-stream" };
        return new Response(stream.pipeThrough(new TextEncoderStream()), { headers });
      },
    },
  });
  return {
    url: server.url.origin,
    send(text) {
      for (const listener of listeners) listener.enqueue(text);
    },
    hangUp() {
      for (const listener of listeners) listener.close();
      listeners.clear();
    },
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}
