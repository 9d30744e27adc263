// Who may import whom. Imports point downwards only; a file that is not in the
// table may import nothing of the project.

import { expect, test } from "bun:test";
import { posix } from "node:path";
import { Glob } from "bun";

const ROOT = new URL("../", import.meta.url).pathname;

/** For each file or folder of src, what of src it may import; a folder may import itself. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  "main.ts": [
    "runtime-version.ts",
    ...["config.ts", "cache.ts", "supervisor.ts", "port-claim.ts", "upkeep.ts", "logger.ts"],
    ...["snapshot/", "service.ts", "start-refusal.ts", "credentials.ts", "refusals.ts"],
    ...["byte-budget.ts"],
    ...["listening-sockets.ts", "log-lines.ts", "start-warnings.ts", "stop-signals.ts"],
    // Only for the memory that its workers share.
    ...["http/", "resp/", "metrics/"],
  ],
  "supervisor.ts": [
    ...["byte-budget.ts", "log-lines.ts"],
    ...["worker.ts", "cache.ts", "port-claim.ts", "logger.ts", "service.ts", "credentials.ts"],
  ],
  "worker.ts": [
    ...[
      "activity.ts",
      "loop-lag.ts",
      "config.ts",
      "cache.ts",
      "http/",
      "resp/",
      "metrics/",
      "upkeep.ts",
      "logger.ts",
    ],
    ...["service.ts", "access.ts", "byte-budget.ts", "credentials.ts", "refusals.ts"],
    "log-lines.ts",
  ],
  "http/": [
    ...[
      "loop-lag.ts",
      "cache.ts",
      "config.ts",
      "machine.ts",
      "metrics/",
      "service.ts",
      "access.ts",
      "counts.ts",
    ],
    ...["refusals.ts", "libc.ts", "tcp-table.ts", "tls.ts"],
  ],
  "resp/": [
    ...[
      "addresses.ts",
      "byte-budget.ts",
      "cache.ts",
      "config.ts",
      "machine.ts",
      "metrics/",
      "service.ts",
      "access.ts",
    ],
    ...["refusals.ts", "tls.ts"],
  ],
  // Of the dashboard only the figures that it shows.
  "metrics/": [
    ...[
      "activity.ts",
      "loop-lag.ts",
      "cache.ts",
      "config.ts",
      "machine.ts",
      "service.ts",
      "dashboard/figures.ts",
      "counts.ts",
    ],
  ],
  "dashboard/": ["server-sent-events.ts"],
  "top/": [
    "runtime-version.ts",
    ...["dashboard/figures.ts", "options.ts", "secret.ts", "server-sent-events.ts"],
  ],
  "server-sent-events.ts": [],
  "snapshot/": [
    "runtime-version.ts",
    ...["cache.ts", "config.ts", "libc.ts", "logger.ts", "service.ts", "start-refusal.ts"],
  ],
  "start-refusal.ts": [],
  "stop-signals.ts": [],
  "start-warnings.ts": ["cache.ts", "config.ts", "credentials.ts", "logger.ts"],
  "service.ts": [
    "activity.ts",
    "loop-lag.ts",
    "access.ts",
    "byte-budget.ts",
    "refusals.ts",
    "tls.ts",
  ],
  "access.ts": [],
  "credentials.ts": ["access.ts", "config.ts", "secret.ts", "tls.ts"],
  "refusals.ts": ["counts.ts"],
  "byte-budget.ts": [],
  "counts.ts": [],
  "listening-sockets.ts": ["libc.ts", "tcp-table.ts"],
  "libc.ts": [],
  "tcp-table.ts": [],
  "tls.ts": [],
  "upkeep.ts": ["cache.ts"],
  "cache-figures.ts": ["store/"],
  "cache.ts": [
    "cache-figures.ts",
    "cache-options.ts",
    "look-ahead.ts",
    "ring.ts",
    "hash.ts",
    "clock.ts",
    "store/",
  ],
  "cache-options.ts": ["store/"],
  "look-ahead.ts": ["ring.ts", "hash.ts", "store/"],
  "clock.ts": [],
  "store/": ["hash.ts"],
  "ring.ts": ["hash.ts"],
  "activity.ts": [],
  "loop-lag.ts": ["activity.ts"],
  "addresses.ts": [],
  "config.ts": [
    "addresses.ts",
    ...["options.ts", "option-table.ts", "machine.ts", "memory-plan.ts", "cache-options.ts"],
  ],
  "memory-plan.ts": [],
  "option-table.ts": ["options.ts"],
  "secret.ts": ["options.ts"],
  "hash.ts": [],
  "logger.ts": [],
  "log-lines.ts": [],
  "machine.ts": [],
  "options.ts": ["units.ts"],
  "units.ts": [],
  "port-claim.ts": [],
  "runtime-version.ts": [],
};

test("every import within src points downwards", async () => {
  for (const [file, imported] of await importsOf("src")) {
    const [, allowed = []] = layer(file) ?? [];
    const inside = imported.filter((name) => !isIn(layer(file)?.[0], name));
    const upward = inside.filter((name) => !allowed.some((layerName) => isIn(layerName, name)));
    expect([file, upward]).toEqual([file, []]);
  }
});

test("every file of src is in the table of layers, and the table names no other", async () => {
  const files = [...(await importsOf("src")).keys()];
  expect(files.filter((file) => layer(file) === undefined)).toEqual([]);
  const unused = Object.keys(ALLOWED).filter((name) => !files.some((file) => isIn(name, file)));
  expect(unused).toEqual([]);
});

test("src imports neither test nor bench", async () => {
  for await (const file of new Glob("src/**/*.ts").scan(ROOT)) {
    expect(await read(file)).not.toMatch(/from "[^"]*\/(test|bench)\//);
  }
});

test("no file of src, test or bench is longer than 400 lines", async () => {
  for (const folder of ["src", "test", "bench"]) {
    for await (const file of new Glob(`${folder}/**/*.ts`).scan(ROOT)) {
      const lines = (await read(file)).split("\n").length;
      expect([file, lines > 400]).toEqual([file, false]);
    }
  }
});

// A control for `bun check`: types of a browser are unknown outside src/dashboard. Without it, one
// `reference lib="dom"` in a file or a dependency would let the server use `document` again.
// @ts-expect-error: the name has no type here
export type NoDocument = typeof document;

/** The files of a folder with what they import of it, all relative to the folder. */
async function importsOf(folder: string): Promise<Map<string, string[]>> {
  const imports = new Map<string, string[]>();
  for await (const path of new Glob(`${folder}/**/*.ts`).scan(ROOT)) {
    const file = path.slice(folder.length + 1);
    const names = [...(await read(path)).matchAll(/(?:from|import) "(\.[^"]+)"/g)];
    const paths = names.map(([, name = ""]) => posix.join(posix.dirname(file), name));
    imports.set(
      file,
      paths.filter((name) => !name.startsWith("..")),
    );
  }
  return imports;
}

function layer(file: string): readonly [string, readonly string[]] | undefined {
  return Object.entries(ALLOWED).find(([name]) => isIn(name, file));
}

function isIn(layerName: string | undefined, file: string): boolean {
  if (layerName === undefined) return false;
  return layerName.endsWith("/") ? file.startsWith(layerName) : file === layerName;
}

async function read(path: string): Promise<string> {
  return await Bun.file(ROOT + path).text();
}
