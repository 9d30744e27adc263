// The plainest body of a put, read without a parser: its key and value are slices of its bytes.
//
//   {"key":"ASCII without escapes","value":"ASCII without escapes"}
//
// Exactly these members in this order, without spaces, as JSON.stringify writes them. JSON.parse reads
// the same two texts. A body in any other form is left to JSON.parse.

import { ByteBuffer, type Bytes } from "../../cache/cache.ts";

/** ASCII but for controls, quotes and backslashes. No class has a quote, so a test takes O(length). */
const FORM = /^\{"key":"[ !#-[\]-\x7f]+","value":"[ !#-[\]-\x7f]*"\}$/;
const KEY_START = '{"key":"'.length;
const MIDDLE_LENGTH = '","value":"'.length;
const END_LENGTH = '"}'.length;
/**
 * Beyond this length JSON.parse may be faster. Measured in one run, with values of 100, 600, 1,000 and 10,000
 * bytes: 206, 597, 797 and 7,950 ns; JSON.parse, its checks and two texts 560, 690, 757 and 4,613 ns.
 */
const LENGTH_MAX = 512;

export interface PlainEntry {
  readonly key: Bytes;
  readonly value: Bytes;
}

/** Reads one body after another into one buffer. */
export class PlainPut {
  readonly #body = new ByteBuffer(LENGTH_MAX * 3);

  /** Returns the entry, valid until the next call; undefined for a text of another form. O(LENGTH_MAX). */
  read(text: string): PlainEntry | undefined {
    if (text.length > LENGTH_MAX || !FORM.test(text)) return undefined;
    const body = this.#body;
    body.setText(text);
    const { bytes } = body;
    const keyEnd = text.indexOf('"', KEY_START);
    const key = { bytes, start: KEY_START, end: keyEnd };
    return { key, value: { bytes, start: keyEnd + MIDDLE_LENGTH, end: body.end - END_LENGTH } };
  }
}
