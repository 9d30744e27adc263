// Errors that a command returns; the dispatcher writes them.

/**
 * The error of a command. Clients read its code, the first word, and some also its text. Each character of
 * the text is one byte.
 */
export class Failure {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

export const NO_SUCH_KEY = new Failure("ERR no such key");
export const SYNTAX_ERROR = new Failure("ERR syntax error");
export const NOT_AN_INTEGER = new Failure("ERR value is not an integer or out of range");
export const TOO_LARGE = new Failure(
  "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
);
export const DATABASE_OUT_OF_RANGE = new Failure("ERR DB index is out of range");
export const LOADING = new Failure("LOADING Redis is loading the dataset in memory");
export const FULL = new Failure("OOM command not allowed when used memory > 'maxmemory'.");

/** The text of a failure for want of room, which the dispatcher and the pipeline also write themselves. */
export const NO_ROOM =
  "ERR no room: requests and answers of --max-pending-bytes are on their way; try again later";

/** Returns the text in UTF-8 with one character for each byte, as a Failure needs it. */
export function byteString(text: string): string {
  return Buffer.from(text).toString("latin1");
}

export function wrongNumberOfArguments(name: string): Failure {
  return new Failure(`ERR wrong number of arguments for '${name}' command`);
}
