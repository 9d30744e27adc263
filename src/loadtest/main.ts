// `ringcache loadtest -n 50000 -c 200 -g 70`: the load-test tool. Each response is checked; the exit
// code is 1 if one was wrong or missing.

import { SingleBar } from "cli-progress";

import { helpText, OptionError, readOptions } from "../config/parse.ts";
import { readSecret } from "../security/secret-file.ts";
import { type LoadOptions, OPTIONS } from "./options.ts";
import { jsonReport, textReport } from "./report.ts";
import { NothingListens, runLoad } from "./run.ts";
import type { StoreCounter } from "./tally.ts";
import { randomMix, readTrace, traceReplay, type Workload } from "./workload.ts";

/** Ten redraws a second: the bar reckons the time left from its last ten updates. */
const REDRAW_MS = 100;

const HELP = `usage: ringcache loadtest [options]

Sends requests to a running service, checks each response, and prints throughput and latency.
A long option may have one dash or two. Ctrl-C prints the results up to then.

${helpText(OPTIONS, undefined)}

Exit code: 0 no errors, 1 errors or nothing listens, 64 an invalid option, 66 the trace cannot be read, 130 Ctrl-C.`;

/** Runs the subcommand. The process ends with its exit code. */
export async function runLoadTest(args: readonly string[]): Promise<never> {
  const options = readOrExit(args);
  const workload = await workloadOrExit(options);
  const interrupted = new AbortController();
  process.on("SIGINT", () => interrupted.abort());
  const progress = new Progress(workload.steps);
  if (process.stderr.isTTY && !options.json) progress.show();
  const tally = await runOrExit(options, workload, progress, interrupted.signal);
  progress.end();
  console.log(options.json ? jsonReport(options, tally) : textReport(options, tally));
  process.exit(interrupted.signal.aborted ? 130 : tally.errorCount > 0 ? 1 : 0);
}

/** Counts the steps, and draws them as a bar on standard error after `show`. */
class Progress {
  readonly #steps: number;
  readonly #bar = new SingleBar({
    format: "{bar} {percentage} % | {value}/{total} | {eta_formatted} left",
    stream: process.stderr,
    // Off a terminal there is nothing to redraw.
    noTTYOutput: false,
    hideCursor: true,
  });
  #done = 0;
  #redraw: Timer | undefined;

  constructor(steps: number) {
    this.#steps = steps;
  }

  show(): void {
    this.#redraw = setInterval(() => {
      if (this.#done === 0) return;
      if (!this.#bar.isActive) this.#bar.start(this.#steps, this.#done);
      this.#bar.update(this.#done);
    }, REDRAW_MS);
  }

  step(): void {
    this.#done++;
  }

  end(): void {
    clearInterval(this.#redraw);
    if (!this.#bar.isActive) return;
    this.#bar.update(this.#done);
    this.#bar.stop();
  }
}

async function runOrExit(
  options: LoadOptions,
  workload: Workload,
  progress: Progress,
  signal: AbortSignal,
): Promise<StoreCounter> {
  try {
    return await runLoad(options, workload, { progress: () => progress.step(), signal });
  } catch (error) {
    if (!(error instanceof NothingListens)) throw error;
    progress.end();
    exitWith(
      1,
      `nothing listens on http://${error.message}; start the service, or name it with --host and --port`,
    );
  }
}

async function workloadOrExit(options: LoadOptions): Promise<Workload> {
  if (options.trace === "") return randomMix(options);
  try {
    return traceReplay(options, await readTrace(options.trace));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    exitWith(66, `--trace: "${options.trace}" cannot be read: ${reason}`);
  }
}

function readOrExit(args: readonly string[]): LoadOptions {
  try {
    const given = readOptions(OPTIONS, args, {}, undefined);
    if (given.help) {
      console.log(HELP);
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
