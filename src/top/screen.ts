// The terminal as a screen that is drawn over and over: entered, drawn, left. What
// was on the terminal before is there again afterwards, however the process ends.

import { writeSync } from "node:fs";

import { errorCode } from "../linux/error-code.ts";

/** Alternate screen, no cursor, and no wrapping: a character that is wider than thought moves no line. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const ERASE_LINE = "\x1b[K";
const ERASE_BELOW = "\x1b[J";

/** What a terminal that does not know its size most likely has. */
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

/** A terminal on a slow line may be full when it is left. */
const LEAVE_ATTEMPTS = 100;
const LEAVE_RETRY_MS = 10;

/** What is pressed: one character or an escape sequence. */
type KeyListener = (key: string) => void;

/** The terminal at standard output, with keys from standard input if that is one too. */
export class Screen {
  #isEntered = false;
  /** A frame is still on its way: a slow line gets fewer frames, not older ones. */
  #isBusy = false;

  get size(): { readonly columns: number; readonly rows: number } {
    const { columns, rows } = process.stdout;
    return { columns: columns || DEFAULT_COLUMNS, rows: rows || DEFAULT_ROWS };
  }

  /** Takes the terminal. It is given back by `leave`, which the end of the process calls too. */
  enter(pressed: KeyListener, resized: () => void): void {
    this.#isEntered = true;
    process.on("exit", () => this.leave());
    process.stdout.write(ENTER);
    process.stdout.on("resize", resized);
    if (!process.stdin.isTTY) return;
    // Keys come one by one, unseen, and Ctrl-C as one of them.
    process.stdin.setRawMode(true);
    process.stdin.on("data", (keys: Buffer) => pressed(keys.toString("latin1")));
  }

  /** Draws lines that are no wider and no more than the screen; skipped while the last are written. */
  draw(lines: readonly string[]): void {
    if (!this.#isEntered || this.#isBusy) return;
    this.#isBusy = true;
    process.stdout.write(drawing(lines, this.size), () => {
      this.#isBusy = false;
    });
  }

  /** Gives the terminal back as it was. */
  leave(): void {
    if (!this.#isEntered) return;
    this.#isEntered = false;
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
    // Not the stream, which may write when the process has gone.
    for (let attempt = 0; attempt < LEAVE_ATTEMPTS; attempt++) {
      try {
        writeSync(process.stdout.fd, LEAVE);
        return;
      } catch (error) {
        // Else the terminal has gone, and its state with it.
        if (errorCode(error) !== "EAGAIN") return;
        Bun.sleepSync(LEAVE_RETRY_MS);
      }
    }
  }
}

/** A frame over the one before, in one piece: lines end by erasing what was longer. */
function drawing(lines: readonly string[], size: Screen["size"]): string {
  const drawn = lines.map((line) => {
    // After the last column the cursor still stands on it, and would erase it.
    return Bun.stringWidth(line) < size.columns ? line + ERASE_LINE : line;
  });
  const below = lines.length < size.rows ? `\r\n${ERASE_BELOW}` : "";
  return HOME + drawn.join("\r\n") + below;
}
