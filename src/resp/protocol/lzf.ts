// Decompression of LZF (Marc Lehmann, liblzf), which redis uses for strings in DUMP payloads.
//
//   000LLLLL            L + 1 bytes follow
//   LLLooooo oooooooo   L + 2 bytes from o + 1 bytes before the end; with L = 7 a byte more of length follows L
// Typed arrays: indexes are in range by construction.

import type { Bytes } from "../../cache/bytes.ts";

/** Bytes of output after which a step returns: it takes about 0.2 ms. */
const BYTES_PER_STEP = 2 ** 16;

export class LzfReader {
  readonly #from: Bytes;
  readonly output: Buffer;
  #at: number;
  #end = 0;

  constructor(from: Bytes, outputBytes: number) {
    this.#from = from;
    this.#at = from.start;
    this.output = Buffer.allocUnsafeSlow(outputBytes);
  }

  /** Returns "more", "done" once all bytes are read, or "malformed". O(BYTES_PER_STEP). */
  step(): "more" | "done" | "malformed" {
    const { bytes, end } = this.#from;
    const stopAt = this.#end + BYTES_PER_STEP;
    while (this.#at < end) {
      const control = bytes[this.#at++]!;
      const isRead = control < 32 ? this.#literal(control + 1) : this.#reference(control);
      if (!isRead) return "malformed";
      if (this.#end >= stopAt && this.#at < end) return "more";
    }
    return this.#end === this.output.length ? "done" : "malformed";
  }

  #literal(length: number): boolean {
    const { bytes, end } = this.#from;
    if (this.#at + length > end || this.#end + length > this.output.length) return false;
    bytes.copy(this.output, this.#end, this.#at, this.#at + length);
    this.#at += length;
    this.#end += length;
    return true;
  }

  #reference(control: number): boolean {
    const { bytes, end } = this.#from;
    let length = (control >> 5) + 2;
    if (length === 9) length += this.#at < end ? bytes[this.#at++]! : 0;
    if (this.#at >= end) return false;
    let from = this.#end - ((control & 0x1f) << 8) - bytes[this.#at++]! - 1;
    if (from < 0 || this.#end + length > this.output.length) return false;
    // The ranges may overlap: bytes that were just written are copied again.
    for (const stop = this.#end + length; this.#end < stop; this.#end++, from++)
      this.output[this.#end] = this.output[from]!;
    return true;
  }
}
