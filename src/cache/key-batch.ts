// A queue of copied keys. A scan holds a shard's lock only while it copies them.

import { ByteBuffer, type Bytes } from "./bytes.ts";
import { KEY_PREFIX_BYTES, PREFIX_MARK } from "./databases.ts";

export class KeyBatch {
  readonly #prefix: number;
  readonly #bytes = new ByteBuffer();
  #ends: number[] = [];
  #shifted = 0;

  /** Takes the keys of a database, or those with the prefix SWAPPING. */
  constructor(prefix: number) {
    this.#prefix = prefix;
  }

  /** Adds the client's part of a stored key, unless the key has another prefix. For Cache.scan. */
  readonly add = ({ bytes, start, end }: Bytes): void => {
    const hasPrefix = bytes[start] === PREFIX_MARK && end - start >= KEY_PREFIX_BYTES;
    if ((hasPrefix ? bytes[start + 1] : 0) !== this.#prefix) return;
    if (this.isEmpty) {
      this.#bytes.clear();
      this.#ends = [];
      this.#shifted = 0;
    }
    this.#bytes.appendRun(bytes, hasPrefix ? start + KEY_PREFIX_BYTES : start, end);
    this.#ends.push(this.#bytes.end);
  };

  get isEmpty(): boolean {
    return this.#shifted === this.#ends.length;
  }

  /** Returns the next key, or undefined if there is none. It is valid until the next `add`. */
  shift(): Bytes | undefined {
    if (this.isEmpty) return undefined;
    const start = this.#ends[this.#shifted - 1] ?? 0;
    const end = this.#ends[this.#shifted++] ?? start;
    return { bytes: this.#bytes.bytes, start, end };
  }
}
