// The log: one line for each event, as text for people or as JSON for programs. No line contains a
// value of the cache.

export type LogFormat = "text" | "json";
const LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LEVELS)[number];
type Fields = Readonly<Record<string, string | number | boolean>>;

/** Writes the events of a level, and of more severe levels, to `write`; the default is standard output. */
export class Logger {
  readonly #format: LogFormat;
  readonly #levelMax: number;
  readonly #write: (line: string) => void;

  constructor(
    format: LogFormat,
    level: LogLevel = "info",
    write = (line: string): void => void process.stdout.write(line),
  ) {
    this.#format = format;
    this.#levelMax = LEVELS.indexOf(level);
    this.#write = write;
  }

  /** Returns whether events of this level are written. */
  has(level: LogLevel): boolean {
    return LEVELS.indexOf(level) <= this.#levelMax;
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

/** Quotes a value that has a space, a quote or a control character, so that a line stays one line. */
function quoted(value: string | number | boolean): string {
  const text = String(value);
  return /^[!-~]+$/.test(text) && !/["=]/.test(text) ? text : printable(text);
}

/** Returns JSON without characters that move a terminal's cursor or break a line. */
function printable(value: unknown): string {
  return JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Returns the text of an error for the log: its stack, if it has one. */
export function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
