// Reads replies of version 2 of the Redis protocol and writes them as JSON, in the form of Upstash's REST
// API. Integers keep their 64 bits. Strings are text, or base64 of their bytes.

export type Encoding = "text" | "base64";

const PLUS = 43;
const MINUS = 45;
const COLON = 58;
const DOLLAR = 36;
const ASTERISK = 42;

/** Returns an error as JSON. */
export function errorJson(message: string): string {
  return JSON.stringify({ error: message });
}

/** Shorter replies are not looked at: they count as if no byte had to be escaped. */
const SHORT_BYTES = 4096;
const QUOTE = 34;
const BACKSLASH = 92;
const SPACE = 32;
/** Characters of an escape such as \u0000, beside the one that it replaces. */
const ESCAPE_MORE = 5;

/** Returns an upper bound of the memory of a reply as JSON, in bytes; for a short reply its length. O(bytes). */
export function jsonBytesMax(reply: Uint8Array, encoding: Encoding): number {
  const { length } = reply;
  if (length <= SHORT_BYTES) return length;
  if (encoding === "base64") return Math.ceil((length * 4) / 3);
  let escapes = 0;
  let isWide = false;
  for (const byte of reply) {
    if (byte < SPACE || byte === QUOTE || byte === BACKSLASH) escapes++;
    else if (byte > 127) isWide = true;
  }
  return (length + ESCAPE_MORE * escapes) * (isWide ? 2 : 1);
}

export class ReplyReader {
  readonly #bytes: Buffer;
  readonly #encoding: Encoding;
  #position = 0;

  /** `bytes` are whole replies that the service has written. */
  constructor(bytes: Buffer, encoding: Encoding) {
    this.#bytes = bytes;
    this.#encoding = encoding;
  }

  /** Returns the next reply as `{"result":…}` or `{"error":…}`. O(bytes). */
  outcome(): string {
    const value = this.#value();
    return this.#isError ? `{"error":${value}}` : `{"result":${value}}`;
  }

  /** Returns the outcome of each element of an array; the outcome itself of another reply. O(bytes). */
  elements(): string[] {
    if (this.#bytes[this.#position] !== ASTERISK) return [this.outcome()];
    const count = Number(this.#line());
    return Array.from({ length: Math.max(0, count) }, () => this.outcome());
  }

  #isError = false;

  #value(): string {
    const type = this.#bytes[this.#position];
    const line = this.#line();
    this.#isError = type === MINUS;
    switch (type) {
      case PLUS:
        // Clients decode every text but OK.
        return line === "OK" || this.#encoding === "text"
          ? JSON.stringify(line)
          : `"${Buffer.from(line, "latin1").toString("base64")}"`;
      case MINUS:
        return JSON.stringify(Buffer.from(line, "latin1").toString());
      case COLON:
        return line;
      case DOLLAR:
        return this.#bulk(Number(line));
      case ASTERISK:
        return this.#array(Number(line));
      default:
        throw new Error(`a reply begins with byte ${type}`);
    }
  }

  #bulk(length: number): string {
    if (length < 0) return "null";
    const start = this.#position;
    this.#position += length + 2;
    if (this.#encoding === "base64") {
      return `"${this.#bytes.toString("base64", start, start + length)}"`;
    }
    return JSON.stringify(this.#bytes.toString("utf8", start, start + length));
  }

  #array(count: number): string {
    if (count < 0) return "null";
    const elements: string[] = [];
    for (let n = 0; n < count; n++) elements.push(this.#value());
    // An error inside an array is one of its values.
    this.#isError = false;
    return `[${elements.join(",")}]`;
  }

  /** Returns the rest of the line after its type, one character a byte. */
  #line(): string {
    const start = this.#position + 1;
    const end = this.#bytes.indexOf("\r\n", start, "latin1");
    this.#position = end + 2;
    return this.#bytes.toString("latin1", start, end);
  }
}
