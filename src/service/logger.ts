// Log lines: one line an event, as text for people or as JSON for programs.
// A value of the cache never goes into a log.

export type LogFormat = "text" | "json";
const LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LEVELS)[number];
type Fields = Readonly<Record<string, string | number | boolean>>;

/** Writes events of a level and of those that are worse to `write`, by default standard output. */
export class Logger {
  readonly #format: LogFormat;
  readonly #least: number;
  readonly #write: (line: string) => void;

  constructor(
    format: LogFormat,
    level: LogLevel = "info",
    write = (line: string): void => void process.stdout.write(line),
  ) {
    this.#format = format;
    this.#least = LEVELS.indexOf(level);
    this.#write = write;
  }

  /** Whether events of this level are written. */
  has(level: LogLevel): boolean {
    return LEVELS.indexOf(level) <= this.#least;
  }

  debug(event: string, fields: Fields = {}): void {
    this.#line("debug", event, fields);
  }

  info(event: string, fields: Fields = {}): void {
    this.#line("info", event, fields);
  }

  warn(event: string, fields: Fields = {}): void {
    this.#line("warn", event, fields);
  }

  error(event: string, fields: Fields = {}): void {
    this.#line("error", event, fields);
  }

  #line(level: LogLevel, event: string, fields: Fields): void {
    if (!this.has(level)) return;
    const time = new Date().toISOString();
    if (this.#format === "json") {
      this.#write(`${printable({ time, level, event, ...fields })}\n`);
      return;
    }
    const pairs = Object.entries(fields).map(([name, value]) => ` ${name}=${quoted(value)}`);
    this.#write(`${time} ${level} ${event}${pairs.join("")}\n`);
  }
}

/** A value with anything but plain characters goes in quotes, so that a line stays a line. */
function quoted(value: string | number | boolean): string {
  const text = String(value);
  return /^[!-~]+$/.test(text) && !/["=]/.test(text) ? text : printable(text);
}

/** JSON in which no character can move a terminal's cursor or break a line. */
function printable(value: unknown): string {
  return JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** An error as a log shows it: where it came from, if it says. */
export function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
