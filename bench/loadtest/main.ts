// The load-test tool: `bun run loadtest -n 50000 -c 200 -g 70`. Every answer is
// checked; exit code 1 if one was wrong or missing.

import { SingleBar } from "cli-progress";

import { helpText, OptionError, readOptions } from "../../src/config/parse.ts";
import { readSecret } from "../../src/security/secret-file.ts";
import { type LoadOptions, OPTIONS } from "./options.ts";
import { jsonReport, textReport } from "./report.ts";
import { NothingListens, runLoad } from "./run.ts";
import type { StoreCounter } from "./tally.ts";
import { randomMix, readTrace, traceReplay, type Workload } from "./workload.ts";

const options = readOrExit();
const workload = await workloadOrExit();
const bar = new SingleBar({
  format: "{bar} {percentage} % | {value}/{total} | {eta_formatted} left",
  stream: process.stderr,
  // Off a terminal there is nothing to redraw.
  noTTYOutput: false,
  hideCursor: true,
});
const interrupted = new AbortController();
process.on("SIGINT", () => interrupted.abort());

let done = 0;
let redraw: Timer | undefined;
if (process.stderr.isTTY && !options.json) {
  // Ten times a second: the bar reckons the time left from its last ten updates.
  redraw = setInterval(() => {
    if (done === 0) return;
    if (!bar.isActive) bar.start(workload.steps, done);
    bar.update(done);
  }, 100);
}
const tally = await runOrExit();
endProgress();
console.log(options.json ? jsonReport(options, tally) : textReport(options, tally));
process.exit(interrupted.signal.aborted ? 130 : tally.errorCount > 0 ? 1 : 0);

function endProgress(): void {
  if (redraw === undefined) return;
  clearInterval(redraw);
  if (!bar.isActive) return;
  bar.update(done);
  bar.stop();
}

async function runOrExit(): Promise<StoreCounter> {
  try {
    return await runLoad(options, workload, {
      progress: () => done++,
      signal: interrupted.signal,
    });
  } catch (error) {
    if (!(error instanceof NothingListens)) throw error;
    endProgress();
    exitWith(
      1,
      `nothing listens on http://${error.message}; start the service with: bun run start`,
    );
  }
}

async function workloadOrExit(): Promise<Workload> {
  if (options.trace === "") return randomMix(options);
  try {
    return traceReplay(options, await readTrace(options.trace));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    exitWith(66, `--trace: "${options.trace}" cannot be read: ${reason}`);
  }
}

function readOrExit(): LoadOptions {
  try {
    const given = readOptions(OPTIONS, Bun.argv.slice(2), {}, undefined);
    if (given.help) {
      console.log(`usage: bun run loadtest [options]\n\n${helpText(OPTIONS, undefined)}`);
      process.exit(0);
    }
    const fresh = crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
    const token = readSecret(given.authToken, given.authTokenFile, "--auth-token");
    return { ...given, token, seed: given.seed === 0 ? fresh : given.seed };
  } catch (error) {
    if (error instanceof OptionError) exitWith(64, error.message);
    throw error;
  }
}

function exitWith(code: number, message: string): never {
  // Not console.error, which Bun colours where colours are forced.
  process.stderr.write(`loadtest: ${message}\n`);
  process.exit(code);
}
