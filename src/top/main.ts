// `ringcache top`: shows the stats of a running service, on a terminal in place, else as lines.

import { OptionError } from "../config/parse.ts";
import { errorCode } from "../linux/error-code.ts";
import { EXIT_IO, EXIT_UNAVAILABLE, EXIT_USAGE } from "../service/exit.ts";
import { readStats, StatsUnavailable } from "./feed.ts";
import { frame } from "./frame.ts";
import { History } from "./history.ts";
import { showLive } from "./live.ts";
import { addressOf, HELP, readTopOptions, type TopOptions } from "./options.ts";
import { plainLine } from "./plain.ts";
import { Screen } from "./screen.ts";

/** Runs the subcommand. The process ends with its exit code. */
export async function runTop(args: readonly string[]): Promise<never> {
  const options = readOrExit(args);
  const isTerminal = process.stdout.isTTY && process.env["TERM"] !== "dumb" && !options.plain;
  // https://no-color.org: colours are off if the variable is set and not empty.
  const hasColour = isTerminal && !process.env["NO_COLOR"];

  if (isTerminal && !options.once) await showLive(options.url, options.token, hasColour);
  process.stdout.on("error", (error) => {
    // The reader of the lines closed the pipe, as `head` does; this is a normal end.
    if (errorCode(error) === "EPIPE") process.exit(0);
    exitWith(EXIT_IO, `cannot write: ${error.message}`);
  });
  try {
    for await (const stats of readStats(options.url, options.token)) {
      if (isTerminal) {
        // One reading has no curves, so the history stays empty.
        const history = new History();
        const view = { service: options.url, stats, statsMs: 0, history, nowMs: 0, hint: "" };
        const size = { columns: new Screen().size.columns, rows: Infinity };
        await print(frame(view, size, hasColour).join("\n"));
      } else await print(plainLine(stats));
      if (options.once) break;
    }
    process.exit(0);
  } catch (error) {
    if (!(error instanceof StatsUnavailable)) throw error;
    const advice = error.hasResponse ? "" : "; start the service, or name its address with --url";
    const trouble = error.hasResponse ? "no stats" : "no response";
    const from = addressOf(options.url);
    exitWith(EXIT_UNAVAILABLE, `${trouble} from ${from}: ${error.message}${advice}`);
  }
}

/** Resolves when the line is written, so that lines do not accumulate in front of a slow reader. */
async function print(text: string): Promise<void> {
  const written = Promise.withResolvers<void>();
  process.stdout.write(`${text}\n`, () => written.resolve());
  await written.promise;
}

function readOrExit(args: readonly string[]): TopOptions {
  try {
    const given = readTopOptions(args, process.env);
    if (given.help) {
      console.log(HELP);
      process.exit(0);
    }
    return given;
  } catch (error) {
    if (error instanceof OptionError) exitWith(EXIT_USAGE, error.message);
    throw error;
  }
}

function exitWith(code: number, message: string): never {
  // console.error would add colours when FORCE_COLOR is set.
  process.stderr.write(`top: ${message}\n`);
  process.exit(code);
}
