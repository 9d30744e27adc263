// The figures in place on a terminal, until somebody has seen enough.

import { followStats, NoAnswer } from "./feed.ts";
import { frame, type View } from "./frame.ts";
import { History } from "./history.ts";
import { EXIT_SOFTWARE } from "../service/exit.ts";
import { Screen } from "./screen.ts";

const HINT = "q quits";
const CTRL_C = "\x03";
/** 128 and the number of the signal, as shells say it. */
const SIGNALS = { SIGINT: 0, SIGTERM: 128 + 15, SIGHUP: 128 + 1 } as const;

/** Shows the service; ends the process by a key, a signal or an error, the terminal as it was. */
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
  // Before the terminal is taken: no signal may find it taken and end the process untidily.
  for (const [signal, code] of Object.entries(SIGNALS))
    process.on(signal, () => process.exit(code));
  const failed = (error: unknown) => {
    screen.leave();
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`top: ${text}\n`);
    process.exit(EXIT_SOFTWARE);
  };
  process.on("uncaughtException", failed);
  process.on("unhandledRejection", failed);
  // The terminal has gone.
  process.stdout.on("error", () => process.exit(SIGNALS.SIGHUP));
  screen.enter((keys) => {
    if (/^q/i.test(keys) || keys.includes(CTRL_C)) process.exit(0);
  }, draw);
  draw();
  for await (const answer of followStats(service, token)) {
    if (answer instanceof NoAnswer) {
      view = { ...view, trouble: answer.message };
    } else {
      const statsMs = performance.now();
      history.add(answer, statsMs);
      view = { ...view, stats: answer, statsMs, trouble: undefined };
    }
    draw();
  }
  throw new Error("the figures ended, which they never do");
}
