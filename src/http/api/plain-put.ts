// The plainest body of a put, read without a parser: its key and value are slices of its bytes.
//
//   {"key":"ASCII without escapes","value":"ASCII without escapes"}
//
// Exactly these members in this order, without spaces, as JSON.stringify writes them. JSON.parse reads
// the same two texts. A body in any other form is left to JSON.parse.
//
// Typed arrays: indexes are in range by construction.

import { ByteBuffer, type Bytes } from "../../cache/cache.ts";
import { PlainText } from "./plain-text.ts";

const START = Buffer.from('{"key":"');
const MIDDLE = Buffer.from('","value":"');
const END = Buffer.from('"}');
const QUOTE = 0x22;
const LENGTH_MIN = START.length + MIDDLE.length + END.length;

/** Reads one body after another: `key` and `value` are valid until the next one. */
export class PlainPut {
  readonly #body = new ByteBuffer();
  readonly #text = new PlainText();
  #key: Bytes = this.#body;
  #value: Bytes = this.#body;

  get key(): Bytes {
    return this.#key;
  }

  get value(): Bytes {
    return this.#value;
  }

  /** Returns false if the text has another form. O(length). */
  read(text: string): boolean {
    if (text.length < LENGTH_MIN) return false;
    const body = this.#body;
    body.setText(text);
    const { bytes } = body;
    // Text that is no ASCII has more bytes than characters.
    if (body.end !== text.length || !hasAt(bytes, 0, START)) return false;
    const keyEnd = bytes.indexOf(QUOTE, START.length);
    const valueStart = keyEnd + MIDDLE.length;
    const valueEnd = body.end - END.length;
    if (keyEnd < 0 || valueStart > valueEnd) return false;
    if (!hasAt(bytes, keyEnd, MIDDLE) || !hasAt(bytes, valueEnd, END)) return false;
    if (!this.#text.isPlain(bytes, START.length, keyEnd)) return false;
    if (!this.#text.isPlain(bytes, valueStart, valueEnd)) return false;
    this.#key = { bytes, start: START.length, end: keyEnd };
    this.#value = { bytes, start: valueStart, end: valueEnd };
    return true;
  }
}

/** Whether `bytes` has these bytes from `at` on. */
function hasAt(bytes: Buffer, at: number, wanted: Buffer): boolean {
  for (let n = 0; n < wanted.length; n++) if (bytes[at + n] !== wanted[n]) return false;
  return true;
}
