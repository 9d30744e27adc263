// `bun run top`: the figures of a running service in a terminal, in place, or as
// lines where there is none.

import "../config/runtime-version.ts";
import { OptionError } from "../config/parse.ts";
import { errorCode } from "../linux/error-code.ts";
import { EXIT_IO, EXIT_UNAVAILABLE, EXIT_USAGE } from "../service/exit.ts";
import { NoAnswer, readStats } from "./feed.ts";
import { frame } from "./frame.ts";
import { History } from "./history.ts";
import { showLive } from "./live.ts";
import { addressOf, HELP, readTopOptions, type TopOptions } from "./options.ts";
import { plainLine } from "./plain.ts";
import { Screen } from "./screen.ts";

const options = readOrExit();
const isTerminal = process.stdout.isTTY && process.env["TERM"] !== "dumb" && !options.plain;
// https://no-color.org: set and not empty.
const hasColour = isTerminal && !process.env["NO_COLOR"];

if (isTerminal && !options.once) await showLive(options.url, options.token, hasColour);
process.stdout.on("error", (error) => {
  // Whoever read the lines has gone, and has what it wanted.
  if (errorCode(error) === "EPIPE") process.exit(0);
  exitWith(EXIT_IO, `cannot write: ${error.message}`);
});
try {
  for await (const stats of readStats(options.url, options.token)) {
    if (isTerminal) {
      // Of one reading there is no curve.
      const history = new History();
      const view = { service: options.url, stats, statsMs: 0, history, nowMs: 0, hint: "" };
      const size = { columns: new Screen().size.columns, rows: Infinity };
      await print(frame(view, size, hasColour).join("\n"));
    } else await print(plainLine(stats));
    if (options.once) break;
  }
  process.exit(0);
} catch (error) {
  if (!(error instanceof NoAnswer)) throw error;
  const advice = error.isThere ? "" : "; start the service with: bun run start";
  const trouble = error.isThere ? "no figures" : "no answer";
  const from = addressOf(options.url);
  exitWith(EXIT_UNAVAILABLE, `${trouble} from ${from}: ${error.message}${advice}`);
}

/** Resolves when the line is written, so that lines do not pile up before a slow reader. */
async function print(text: string): Promise<void> {
  const written = Promise.withResolvers<void>();
  process.stdout.write(`${text}\n`, () => written.resolve());
  await written.promise;
}

function readOrExit(): TopOptions {
  try {
    const given = readTopOptions(Bun.argv.slice(2), process.env);
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
  // Not console.error, which Bun colours where colours are forced.
  process.stderr.write(`top: ${message}\n`);
  process.exit(code);
}
