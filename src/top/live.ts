// The stats on a terminal, redrawn once a second until the user quits.

import { followStats, StatsUnavailable } from "./feed.ts";
import { frame, type View } from "./frame.ts";
import type { Sample } from "../live/history.ts";
import { History } from "./history.ts";
import { EXIT_SOFTWARE } from "../service/exit.ts";
import { Screen } from "./screen.ts";

const HINT = "q quits, ? shows help";
const CTRL_C = "\x03";
/** Exit codes by signal: 128 plus the signal's number, as in shells; Ctrl-C is a normal end. */
const SIGNALS = { SIGINT: 0, SIGTERM: 128 + 15, SIGHUP: 128 + 1 } as const;

/** Shows the stats. The process ends by a key, a signal or an error, and restores the terminal. */
export async function showLive(service: URL, token: string, hasColour: boolean): Promise<never> {
  const screen = new Screen();
  const history = new History();
  let view: Omit<View, "nowMs"> = {
    service,
    history,
    stats: undefined,
    statsMs: 0,
    hint: HINT,
  };
  const draw = () => {
    screen.draw(frame({ ...view, nowMs: performance.now() }, screen.size, hasColour));
  };
  const past = (samples: readonly Sample[]) => history.addPast(samples, performance.now());
  // Before the screen is entered, so that every signal restores the terminal.
  for (const [signal, code] of Object.entries(SIGNALS))
    process.on(signal, () => process.exit(code));
  const exitWithError = (error: unknown) => {
    screen.leave();
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`top: ${text}\n`);
    process.exit(EXIT_SOFTWARE);
  };
  process.on("uncaughtException", exitWithError);
  process.on("unhandledRejection", exitWithError);
  // The terminal was closed.
  process.stdout.on("error", () => process.exit(SIGNALS.SIGHUP));
  screen.enter((keys) => {
    if (/^q/i.test(keys) || keys.includes(CTRL_C)) process.exit(0);
    // Any key closes the help; the keys of the help open it.
    view = { ...view, isHelp: view.isHelp !== true && /^[?h]/i.test(keys) };
    draw();
  }, draw);
  draw();
  for await (const update of followStats(service, token, undefined, past)) {
    if (update instanceof StatsUnavailable) {
      view = { ...view, trouble: update.message };
    } else {
      const statsMs = performance.now();
      history.add(update, statsMs);
      view = { ...view, stats: update, statsMs, trouble: undefined };
    }
    draw();
  }
  throw new Error("followStats ended, although it reconnects forever");
}
