// What does a snapshot cost, and how soon is the service warm again? Run by
// `bun run bench snapshot`. A service with one worker is filled; while it saves, one client
// puts, one put after the other, and its longest wait is held against that of as long a
// time without a save. Then the service is started again on what was saved.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RedisClient } from "bun";
import Table from "cli-table3";
import { max, median, min } from "simple-statistics";

import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { keepResult } from "./lib/results.ts";
import { type StartedServer, startService } from "./lib/server.ts";

const VALUE = "v".repeat(100);
const FILL_BATCH = 2000;
const SAMPLE_EVERY_MS = 5;

const { rounds, millions } = optionsOrExit("bench snapshot", {
  rounds: { kind: "integer", default: 5, min: 1, max: 100, help: "saves of each size" },
  millions: {
    kind: "choice",
    default: "1 and 5",
    of: ["1", "5", "1 and 5"],
    help: "entries, in millions",
  },
} as const);

interface Save {
  readonly saveMs: number;
  readonly fileMb: number;
  /** Longest put while it was saved, and in as long a time without. */
  readonly longestPutMs: number;
  readonly longestPutElseMs: number;
  /** The most resident memory while it was saved, × that before. */
  readonly memory: number;
}

const results: { entries: number; saves: Save[]; loadMs: number[] }[] = [];
for (const million of millions.split(" and ").map(Number)) results.push(await measure(million));
show();
await keepResult("snapshot", {
  machine: describeMachine(),
  method: `${rounds} saves and loads of each size, 12 B keys, 100 B values, 1 worker`,
  results,
});

async function measure(million: number): Promise<(typeof results)[number]> {
  const entries = million * 1_000_000;
  const folder = await mkdtemp(join(tmpdir(), "ringcache-bench-"));
  const saves: Save[] = [];
  const loadMs: number[] = [];
  try {
    {
      await using served = await serve(folder);
      using client = clientOf(served);
      for (let from = 0; from < entries; from += FILL_BATCH) {
        const puts = Array.from({ length: FILL_BATCH }, (_, n) =>
          client.set(keyOf(from + n), VALUE),
        );
        await Promise.all(puts);
      }
      for (let round = 0; round <= rounds; round++) {
        const save = await saveOnce(served.service, client, entries);
        // The first one makes its buffers.
        if (round > 0) saves.push(save);
      }
    }
    for (let round = 0; round < rounds; round++) {
      await using served = await serve(folder);
      const { log } = served.service;
      if (!log.includes(` loaded entries=${entries} `)) throw new Error(`not all is there: ${log}`);
      loadMs.push(Number(/ms=(\d+)/.exec(log)?.[1]));
    }
    return { entries, saves, loadMs };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function serve(
  folder: string,
): Promise<{ service: StartedServer; port: number } & AsyncDisposable> {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  const service = await startService(
    undefined,
    ...["--workers", "1", "--memory", "2gb", "--resp-port", `${port}`],
    ...["--data-dir", folder, "--snapshot-interval", "0"],
  );
  return { service, port, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
}

function clientOf({ port }: { port: number }): RedisClient & Disposable {
  const client = new RedisClient(`redis://127.0.0.1:${port}`);
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}

async function saveOnce(
  service: StartedServer,
  client: RedisClient,
  entries: number,
): Promise<Save> {
  const before = service.rssBytes();
  let most = before;
  const sampling = setInterval(() => (most = Math.max(most, service.rssBytes())), SAMPLE_EVERY_MS);
  let isSaved = false;
  const saving = fetch(`${service.url}/snapshot`, { method: "POST" }).finally(
    () => (isSaved = true),
  );
  const longestPutMs = await longestPut(client, entries, () => isSaved);
  const saved = (await (await saving).json()) as { status: string; bytes: number; ms: number };
  clearInterval(sampling);
  if (saved.status !== "OK") throw new Error(`the save failed: ${JSON.stringify(saved)}`);
  const endMs = performance.now() + saved.ms;
  const longestPutElseMs = await longestPut(client, entries, () => performance.now() > endMs);
  const fileMb = saved.bytes / 2 ** 20;
  return { saveMs: saved.ms, fileMb, longestPutMs, longestPutElseMs, memory: most / before };
}

/** Puts one after the other until it is over; answers the longest wait for an answer, in ms. */
async function longestPut(
  client: RedisClient,
  entries: number,
  isOver: () => boolean,
): Promise<number> {
  let longest = 0;
  while (!isOver()) {
    const startMs = performance.now();
    await client.set(keyOf(Math.floor(Math.random() * entries)), VALUE);
    longest = Math.max(longest, performance.now() - startMs);
  }
  return longest;
}

function keyOf(n: number): string {
  return `key:${String(n).padStart(8, "0")}`;
}

function show(): void {
  console.log(describeMachine());
  const table = new Table({
    head: ["entries", "file MB", "save ms", "load ms", "longest put ms", "without", "memory ×"],
    colAligns: ["right", "right", "right", "right", "right", "right", "right"],
    style: { head: [], border: [] },
  });
  for (const { entries, saves, loadMs } of results) {
    const of = (name: keyof Save) => ranged(saves.map((save) => save[name]));
    table.push([
      ...[entries.toLocaleString("en"), of("fileMb"), of("saveMs"), ranged(loadMs)],
      ...[
        of("longestPutMs"),
        of("longestPutElseMs"),
        ranged(
          saves.map(({ memory }) => memory),
          3,
        ),
      ],
    ]);
  }
  console.log(table.toString());
}

function ranged(stats: readonly number[], digits = 1): string {
  const all = [...stats];
  const text = (value: number) => value.toFixed(value >= 100 ? 0 : digits);
  return `${text(median(all))} (${text(min(all))} to ${text(max(all))})`;
}
