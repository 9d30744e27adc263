// The terminal as a full screen: enter, draw, leave. After the process ends in any way, the
// terminal shows its previous content again.

import { writeSync } from "node:fs";

import { errorCode } from "../linux/error-code.ts";

/**
 * Alternate screen, no cursor, no wrapping: a character that is wider than expected moves no line.
 */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const ERASE_LINE = "\x1b[K";
const ERASE_BELOW = "\x1b[J";

/** The size if the terminal does not report one. */
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

/** A slow terminal may be full (EAGAIN) when the screen is left. */
const LEAVE_ATTEMPTS = 100;
const LEAVE_RETRY_MS = 10;

/** Called with the pressed key: one character or an escape sequence. */
type KeyListener = (key: string) => void;

/** The terminal at standard output. Keys come from standard input if it is a terminal too. */
export class Screen {
  #isEntered = false;
  /** A frame is being written. A slow terminal skips frames, so that it never shows old ones. */
  #isBusy = false;

  get size(): { readonly columns: number; readonly rows: number } {
    const { columns, rows } = process.stdout;
    return { columns: columns || DEFAULT_COLUMNS, rows: rows || DEFAULT_ROWS };
  }

  /** Enters the screen. The end of the process calls `leave`. */
  enter(pressed: KeyListener, resized: () => void): void {
    this.#isEntered = true;
    process.on("exit", () => this.leave());
    process.stdout.write(ENTER);
    process.stdout.on("resize", resized);
    if (!process.stdin.isTTY) return;
    // In raw mode keys arrive one by one, without an echo, and Ctrl-C is a key.
    process.stdin.setRawMode(true);
    process.stdin.on("data", (keys: Buffer) => pressed(keys.toString("latin1")));
  }

  /** Draws lines that fit the screen. Skips the frame while the previous one is being written. */
  draw(lines: readonly string[]): void {
    if (!this.#isEntered || this.#isBusy) return;
    this.#isBusy = true;
    process.stdout.write(drawing(lines, this.size), () => {
      this.#isBusy = false;
    });
  }

  /** Restores the terminal. */
  leave(): void {
    if (!this.#isEntered) return;
    this.#isEntered = false;
    if (process.stdin.isTTY) process.stdin.setRawMode(false);
    // The stream might write only after the process has ended, so write to the descriptor.
    for (let attempt = 0; attempt < LEAVE_ATTEMPTS; attempt++) {
      try {
        writeSync(process.stdout.fd, LEAVE);
        return;
      } catch (error) {
        // Any other error means that the terminal was closed.
        if (errorCode(error) !== "EAGAIN") return;
        Bun.sleepSync(LEAVE_RETRY_MS);
      }
    }
  }
}

/** Returns a frame as one string. Each line erases the rest of the previous frame's line. */
function drawing(lines: readonly string[], size: Screen["size"]): string {
  const drawn = lines.map((line) => {
    // After a full line the cursor stays on the last column, so ERASE_LINE would erase that column.
    return Bun.stringWidth(line) < size.columns ? line + ERASE_LINE : line;
  });
  const below = lines.length < size.rows ? `\r\n${ERASE_BELOW}` : "";
  return HOME + drawn.join("\r\n") + below;
}
