// Figures for `bun run top` to show, and a service that sends nothing else.

import type { HotKey, LiveStats } from "../../src/live/stats.ts";

const MIB = 2 ** 20;

/** Keys that do what no key may do to a terminal. */
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

/** A busy service with four workers and 64 shards, changed as the test needs it. */
export function someFigures(changes: Partial<LiveStats> = {}): LiveStats {
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
    evictionsPerSecond: 0,
    expirationsPerSecond: 12.5,
    clients: { http: 12, resp: 3 },
    virtualNodes: 1024,
    shards: Array.from({ length: 64 }, (_, shard) => {
      return { shard, share: 1 / 64, entries: 18_000 + 37 * shard, bytes: 11 * MIB };
    }),
    workers: [0.92, 0.55, 0.48, 0.5].map((load, worker) => {
      return { worker, load, requestsPerSecond: 60_000 * load };
    }),
    workerRestarts: 0,
    hotKeys: { sampled: 12_345, oneIn: 16, keys: NASTY_KEYS.map(hotKey) },
    snapshot: { isEnabled: true, lastMs: 1_799_999_988_000, hasFailed: false },
    ...changes,
  };
}

function hotKey(key: string, place: number): HotKey {
  return { key, count: 1300 - 100 * place, error: 12 * place };
}

/** Figures as one event of the stream. */
export function eventOf(stats: LiveStats): string {
  return `event: figures\ndata: ${JSON.stringify(stats)}\n\n`;
}

export interface FiguresServer extends AsyncDisposable {
  readonly url: string;
  /** To all who listen at present. */
  send(text: string): void;
  /** Ends what it sends at present. */
  hangUp(): void;
}

/**
 * Serves `/events` on the loopback, on a free port if none is given; `greeting` is
 * what every listener gets first.
 */
export function serveFigures(greeting: string, port = 0): FiguresServer {
  const listeners = new Set<ReadableStreamDefaultController<string>>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port,
    // A test that waits sends nothing.
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
