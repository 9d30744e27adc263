// `bun run stress clients [WORDS]`: tries libraries of Redis clients against the service, all or those
// whose title contains WORDS. Prints the table of docs/clients.md. CLIENTS_FOLDER keeps what was
// installed for the next run.

import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { freePort, startService } from "../../lib/service.ts";
import { startRedis } from "../../lib/redis-server.ts";
import { copyScript, type Exit, install, missingProgram, runScript } from "./languages.ts";
import { type Setup, SETUPS } from "./setups.ts";

interface Row {
  readonly title: string;
  readonly versions: string;
  readonly result: string;
  /** The output of the script, if the result is not the one that SETUPS expects. */
  readonly failure?: string;
}

const LINES_SHOWN = 25;

const words = Bun.argv.slice(2).join(" ").toLowerCase();
const setups = SETUPS.filter(({ title }) => title.toLowerCase().includes(words));
const kept = process.env["CLIENTS_FOLDER"];
const folder = kept ?? (await mkdtemp(join(tmpdir(), "ringcache-clients-")));
const port = freePort();
await using redis = await startRedis();
await using service = await startService([
  "--resp-port",
  `${port}`,
  "--workers",
  "2",
  "--memory",
  "256mb",
]);

const rows: Row[] = [];
for (const setup of setups) {
  const row = await tryOne(setup);
  rows.push(row);
  console.log(`${row.title}: ${row.versions}: ${row.result}`);
  if (row.failure !== undefined) console.log(row.failure.replaceAll(/^/gm, "    "));
}
console.log(`\n| set-up | version tried | result |\n| --- | --- | --- |`);
for (const { title, versions, result } of rows)
  console.log(`| ${title} | ${versions} | ${result} |`);
const failures = rows.filter(({ failure }) => failure !== undefined);
console.log(`\n${rows.length - failures.length} as expected, ${failures.length} not`);
if (kept === undefined) await rm(folder, { recursive: true, force: true });
process.exitCode = failures.length === 0 && rows.length > 0 ? 0 : 1;

async function tryOne(setup: Setup): Promise<Row> {
  const { title } = setup;
  const missing = await missingProgram(setup.language);
  if (missing !== undefined) return { title, versions: "–", result: `not tried: ${missing}` };
  const own = join(folder, `${setup.language}-${title.replaceAll(/[^A-Za-z0-9]+/g, "-")}`);
  let versions: string;
  try {
    versions = await installOnce(setup, own);
  } catch (error) {
    return { title, versions: "–", result: "could not be installed", failure: String(error) };
  }
  if (setup.hasNoControl !== true) {
    const control = await runScript(setup, own, { PORT: String(redis.port) });
    if (control.code !== 0) {
      return { title, versions, result: "fails with redis-server too", failure: tail(control) };
    }
  }
  const env = { PORT: String(port), HTTP_URL: service.url };
  return { title, versions, ...judge(setup, await runScript(setup, own, env)) };
}

function judge(setup: Setup, exit: Exit): Pick<Row, "result" | "failure"> {
  const { refused } = setup;
  if (exit.code === 0) {
    return refused === undefined
      ? { result: "works" }
      : { result: "works", failure: "SETUPS says that it is refused" };
  }
  if (refused?.error.test(exit.text) === true) return { result: `no: ${refused.why}` };
  return { result: "fails", failure: tail(exit) };
}

/** Returns the versions that are installed in the folder. */
async function installOnce(setup: Setup, own: string): Promise<string> {
  const file = Bun.file(join(own, "versions.txt"));
  if (await file.exists()) {
    await copyScript(setup, own);
    return await file.text();
  }
  await rm(own, { recursive: true, force: true });
  await mkdir(own, { recursive: true });
  const versions = (await install(setup, own)).join(", ");
  await Bun.write(file, versions);
  return versions;
}

function tail({ text, code }: Exit): string {
  return [...text.trim().split("\n").slice(-LINES_SHOWN), `(exit code ${code})`].join("\n");
}
