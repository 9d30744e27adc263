// The service beside other caches and the floors of its runtime: CPU time of the server per request,
// memory per entry, and the start. Run by `bun run bench compare`.
//
// The programs are looked for in the folders of --path, and then on PATH. Each version that is found
// takes part; what is missing is skipped with a line that says so. Each server has one thread, on core
// 0; each load is one process on core 1; the rounds take the servers in turn. The results of each
// section are kept after each round: --resume continues with the rounds that are missing.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { OptionTable } from "../src/config/parse.ts";
import { compareChart } from "./lib/compare-chart.ts";
import { costsOf, type Run } from "./lib/compare-run.ts";
import { type Bench, SECTIONS } from "./lib/compare-sections.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { buildGo, findPrograms, type ForeignName } from "./lib/peers.ts";
import { readResult, resultPath, writeResult } from "./lib/results.ts";

const PROGRAMS: readonly ForeignName[] = [
  ...(["valkey-server", "redis-server", "pogocache", "memcached", "nginx"] as const),
];
const TOOLS = ["redis-benchmark", "oha"] as const;
/** The sections of the chart. */
const CHARTED = ["resp", "http"] as const;
/** Without the day in its name, so that documents show the newest. */
const CHART = new URL("results/compare.svg", import.meta.url).pathname;
const DOCUMENT = new URL("../docs/benchmarks.md", import.meta.url).pathname;
const EX_USAGE = 64;
const EX_UNAVAILABLE = 69;

const OPTIONS = {
  rounds: { kind: "integer", default: 9, min: 1, max: 100, help: "runs of each kind" },
  requests: {
    kind: "integer",
    default: 50_000,
    min: 100,
    max: 100_000_000,
    help: "requests in a run; with a pipeline five times as many",
  },
  sections: {
    kind: "text",
    default: "resp,http,memcached",
    placeholder: "NAMES",
    help: `what to measure, with commas between: ${Object.keys(SECTIONS).join(", ")}; or all`,
  },
  path: {
    kind: "text",
    default: "",
    placeholder: "FOLDERS",
    help: "where programs are looked for before PATH, with colons between",
  },
  docs: {
    kind: "switch",
    default: false,
    help: "put the tables into docs/benchmarks.md",
  },
  resume: {
    kind: "switch",
    default: false,
    help: "keep the rounds of today that were measured in the same way, and measure the others",
  },
} as const satisfies OptionTable;

interface Stored {
  /** How it was measured. Rounds of two methods are never mixed. */
  readonly method: string;
  readonly runs: readonly Run[];
  readonly rows?: readonly object[];
}
type Result = Record<string, Stored>;

const options = optionsOrExit("bench compare", OPTIONS);
const wanted = options.sections === "all" ? Object.keys(SECTIONS) : options.sections.split(",");
for (const name of wanted) {
  if (Object.hasOwn(SECTIONS, name)) continue;
  process.stderr.write(
    `bench compare: no section ${JSON.stringify(name)}: ${Object.keys(SECTIONS).join(", ")}\n`,
  );
  process.exit(EX_USAGE);
}
const absent = TOOLS.filter((name) => Bun.which(name) === null);
if (absent.length > 0) {
  process.stderr.write(
    `bench compare: no ${absent.join(" and no ")} on PATH ` +
      "(apt-get install redis-tools; cargo install --locked oha)\n",
  );
  process.exit(EX_UNAVAILABLE);
}

const folder = await mkdtemp(join(tmpdir(), "ringcache-compare-"));
try {
  await compare();
} finally {
  await rm(folder, { recursive: true });
}

async function compare(): Promise<void> {
  const folders = options.path.split(":").filter((name) => name !== "");
  const found = await findPrograms(PROGRAMS, folders);
  for (const name of PROGRAMS) {
    if (!found.some((program) => program.name === name))
      console.log(`${name} is not found: skipped`);
  }
  const programs = [...found, ...(await buildGo(folder))];
  const machine = describeMachine();
  const names = programs.map(({ label }) => label).join(", ");
  const commit = Bun.spawnSync(["git", "rev-parse", "--short", "HEAD"], { cwd: import.meta.dir });
  const ours = `ringcache of commit ${commit.stdout.toString().trim()}`;
  console.log(`${machine}\n${ours}, beside ${names}\n`);

  const result: Result = (await readResult<{ sections: Result }>("compare"))?.sections ?? {};
  for (const name of wanted) {
    const section = SECTIONS[name];
    if (section === undefined) continue;
    const { rounds, requests } = options;
    const method = `${section.method}; ${requests} requests in a run, ${ours}, beside ${names}`;
    const before = result[name];
    const earlier = options.resume && before?.method === method ? before.runs : [];
    const keep = async (part: Omit<Stored, "method">): Promise<void> => {
      result[name] = { method, ...part };
      await writeResult("compare", { machine, sections: result });
    };
    const bench: Bench = { ...{ programs, folder, rounds, requests, earlier }, keep };
    console.log(`## ${section.title}\n\n${section.method}\n`);
    const tables = await section.measure(bench);
    console.log(`${tables}\n`);
    if (options.docs) await putIntoDocument(name, tables);
  }
  const charted = CHARTED.flatMap((name) => costsOf(result[name]?.runs ?? [], "ringcache"));
  if (charted.length > 0) {
    await Bun.write(CHART, await compareChart(charted));
    console.log(`chart: ${CHART}`);
  }
  console.log(`raw results: ${resultPath("compare", "json")}`);
}

/** Replaces what stands between the comments of the section. */
async function putIntoDocument(section: string, tables: string): Promise<void> {
  const [begin, end] = [`<!-- compare ${section} -->`, `<!-- end of ${section} -->`];
  const text = await Bun.file(DOCUMENT).text();
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/benchmarks.md has no ${begin} and ${end}`);
  const made = `${text.slice(0, from)}${begin}\n\n${tables.trim()}\n\n${text.slice(to)}`;
  await Bun.write(DOCUMENT, made);
  Bun.spawnSync([process.execPath, "fmt", DOCUMENT], { cwd: join(import.meta.dir, "..") });
}
