// Which folder of src may import which. Arrows point one way; docs/design.md draws them.
// Static imports, `import("…")`, `require("…")` and `new URL("…", import.meta.url)` count alike.

import { expect, test } from "bun:test";
import { posix } from "node:path";
import { Glob } from "bun";

const ROOT = new URL("../", import.meta.url).pathname;
const FILE_LINES_MAX = 400;

/** A file may import its own folder, the folders below and above it in the same room, and these rooms. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  "main.ts": ["config", "health", "loadtest", "process", "snapshot", "top"],
  cache: [],
  // What both protocols need of leases beside the cache, which starts no timers.
  caching: ["cache"],
  "shared-memory": [],
  // A package of its own for users: it runs where the service does not.
  client: [],
  linux: [],
  live: [],
  config: ["cache", "linux"],
  security: ["config", "linux", "shared-memory"],
  service: ["security", "shared-memory"],
  metrics: [
    ...["cache", "config", "linux", "live", "security", "service", "shared-memory", "upstream"],
  ],
  snapshot: ["cache", "config", "linux", "service"],
  // The engine behind a near cache: both protocols read through it, and the supervisor tracks its changes.
  upstream: ["cache", "config", "security", "service", "shared-memory"],
  http: [
    "cache",
    "caching",
    "config",
    "dashboard",
    "linux",
    "live",
    "metrics",
    "security",
    "service",
    "shared-memory",
    "upstream",
  ],
  resp: [
    ...["cache", "caching", "config", "linux", "metrics", "security", "service"],
    ...["shared-memory", "upstream"],
  ],
  process: [
    ...[
      "cache",
      "caching",
      "config",
      "http",
      "linux",
      "metrics",
      "resp",
      "security",
      "service",
      "shared-memory",
    ],
    ...["snapshot", "upstream"],
  ],
  dashboard: ["live"],
  // A client of the service, from outside.
  health: ["config", "linux"],
  loadtest: ["config", "security"],
  top: ["config", "linux", "live", "security", "service"],
};

/** Narrower rules inside a room: the folder on the left imports only these besides itself. */
const INSIDE: readonly (readonly [folder: string, allowed: readonly string[]])[] = [
  // The store counts the entries of each database, whose number is in the key.
  ["cache/store/shared", ["cache/store", "cache/bytes.ts", "cache/hash.ts", "cache/databases.ts"]],
  ["cache/store", ["cache/store/shared", "cache/bytes.ts", "cache/hash.ts", "cache/databases.ts"]],
  ["resp/protocol", ["cache/bytes.ts", "cache/integers.ts"]],
];

const IMPORT =
  /\b(?:from|import|require)\s*\(?\s*"(\.[^"]+)"|new URL\(\s*"([^"]+)",\s*import\.meta\.url/g;

const imports = await importsOf("src");

test("each import points to a folder that the importing folder may use", () => {
  const found: string[] = [];
  for (const [file, targets] of imports) {
    for (const target of targets) {
      if (!mayImport(file, target)) found.push(`${file} imports ${target}`);
    }
  }
  expect(found).toEqual([]);
});

test("each folder of src is in the table, and the table names no other", () => {
  const rooms = new Set([...imports.keys()].map(roomOf));
  expect([...rooms].toSorted()).toEqual(Object.keys(ALLOWED).toSorted());
});

test("no file of src imports itself, however many files lie between", () => {
  expect(cyclesOf(imports)).toEqual([]);
});

test("a service without --upstream loads nothing of it", async () => {
  // The exporter is loaded later.
  const loaded = new Set([
    "process/worker.ts",
    "process/service-process.ts",
    "metrics/exporter.ts",
  ]);
  const packages = new Set<string>();
  const transpiler = new Bun.Transpiler({ loader: "ts" });
  for (const file of loaded) {
    const text = await Bun.file(`${ROOT}src/${file}`).text();
    // Imports of types are not among these.
    for (const { kind, path } of transpiler.scanImports(text)) {
      if (kind !== "import-statement") continue;
      if (!path.startsWith(".")) packages.add(path);
      else if (path.endsWith(".ts")) loaded.add(posix.join(posix.dirname(file), path));
    }
  }
  expect(loaded.has("resp/dispatcher.ts")).toBe(true);
  const found = [...loaded].filter((file) => /upstream(\/|-node|\.ts)/.test(file));
  // It checks the options.
  expect(found).toEqual(["config/upstream.ts"]);
  expect(packages).toContain("prom-client");
  expect(packages).not.toContain("@redis/client");
});

test("only main.ts lies in the root of src", () => {
  expect([...imports.keys()].filter((file) => !file.includes("/"))).toEqual(["main.ts"]);
});

test("src imports neither test nor bench", () => {
  const outside = [...imports].filter(([, targets]) =>
    targets.some((target) => /^\.\.\/(test|bench)\//.test(target)),
  );
  expect(outside).toEqual([]);
});

test(`no file of src, test or bench is longer than ${FILE_LINES_MAX} lines`, async () => {
  const found: string[] = [];
  for (const folder of ["src", "test", "bench"]) {
    for await (const file of new Glob(`${folder}/**/*.ts`).scan(ROOT)) {
      const lines = (await Bun.file(ROOT + file).text()).split("\n").length - 1;
      if (lines > FILE_LINES_MAX) found.push(`${file}: ${lines} lines`);
    }
  }
  expect(found).toEqual([]);
});

// A control for `bun check`: types of a browser are unknown outside src/dashboard. Without it, one
// `reference lib="dom"` in a file or a dependency would let the server use `document` again.
// @ts-expect-error: the name has no type here
export type NoDocument = typeof document;

function mayImport(file: string, target: string): boolean {
  // package.json, for its version.
  if (target.startsWith("../")) return target === "../package.json";
  const rule = INSIDE.find(([folder]) => file.startsWith(`${folder}/`));
  if (rule !== undefined) {
    return [rule[0], ...rule[1]].some((allowed) => isIn(allowed, target));
  }
  const room = roomOf(file);
  return roomOf(target) === room || (ALLOWED[room] ?? []).includes(roomOf(target));
}

function isIn(folder: string, file: string): boolean {
  return file === folder || file.startsWith(`${folder}/`);
}

/** The first folder of a path, or the file itself in the root. */
function roomOf(file: string): string {
  return file.split("/")[0] ?? file;
}

/** The files of a folder with the files that they import, all relative to the folder. */
async function importsOf(folder: string): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for await (const file of new Glob("**/*.ts").scan(ROOT + folder)) {
    const text = await Bun.file(`${ROOT}${folder}/${file}`).text();
    const targets = [...text.matchAll(IMPORT)].map(([, module, url]) =>
      posix.join(posix.dirname(file), module ?? url ?? ""),
    );
    found.set(file, targets);
  }
  return found;
}

function cyclesOf(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found = new Set<string>();
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const seen = path.indexOf(file);
    if (seen >= 0) found.add(path.slice(seen).toSorted().join(" <-> "));
    if (seen >= 0 || done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return [...found];
}
