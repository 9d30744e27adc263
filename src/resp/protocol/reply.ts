// Writes answers of the Redis protocol, version 2 or 3, to one buffer.

import { ByteBuffer, type Bytes, freeBytes, MISS } from "../../cache/bytes.ts";

const OK = Buffer.from("+OK\r\n");
const CRLF = Buffer.from("\r\n");
const NIL_2 = Buffer.from("$-1\r\n");
const NIL_3 = Buffer.from("_\r\n");
const ZERO = 48;
const DOLLAR = 36;
const COLON = 58;
const CR = 13;
const LF = 10;

/** In UTF-16 units; most of it is what a client sent. */
const LONGEST_ERROR = 512;

/** Bytes of answers that need no claim: they are part of what a worker costs. */
const FREE_BYTES = 256 * 1024;

/** An answer is longer than a connection may wait for. */
export class OutputLimitError extends Error {}

/** There is no room for an answer while so much else is in flight. */
export class NoRoomError extends Error {
  /** Bytes that are to be free before the answer is tried again. */
  readonly bytes: number;

  constructor(bytes: number) {
    super("no room for the answer");
    this.bytes = bytes;
  }
}

export class Reply {
  /** What has been written and not been sent. */
  readonly out = new ByteBuffer(64 * 1024, true);
  /** Of the connection that is being answered: 2 or 3. */
  version: 2 | 3 = 2;
  /** Whether an error was written since somebody last set it to false. */
  hasFailed = false;
  /** Whether the connection that is being answered needs no claims: it has the lane. */
  hasLane = false;
  readonly limitBytes: number;
  readonly #claim: (fromBytes: number, toBytes: number) => boolean;
  #claimed = 0;
  /** Answers may be so long before more is claimed. */
  #roomBytes: number;
  #headAt = 0;
  /** Digits of the last value's length: mostly those of the next one's. */
  #digits = 1;

  /**
   * Throws OutputLimitError once more than `limitBytes` wait to be sent, and NoRoomError if `claim`
   * does not let its claim grow.
   */
  constructor(limitBytes: number, claim: (fromBytes: number, toBytes: number) => boolean) {
    this.limitBytes = limitBytes;
    this.#claim = claim;
    this.#roomBytes = Math.min(FREE_BYTES, limitBytes);
  }

  /** Gives back what was claimed: the answers have been sent, or belong to their connections now. */
  release(): void {
    if (this.#claimed > 0) this.#claim(this.#claimed, 0);
    this.#claimed = 0;
    this.#roomBytes = Math.min(FREE_BYTES, this.limitBytes);
  }

  /** A part of an answer that is put together before it is written; its bytes count as in flight until `release`. */
  aside(): Reply {
    const aside = new Reply(this.limitBytes, this.#claim);
    aside.version = this.version;
    aside.hasLane = this.hasLane;
    return aside;
  }

  /** Appends what was put together aside, takes its claim over and frees its bytes: it is not used again. */
  append(aside: Reply): void {
    const { out } = aside;
    if (this.out.end > this.limitBytes) throw new OutputLimitError("the answer is too long");
    this.#claimed += aside.#claimed;
    this.#roomBytes = Math.max(this.#roomBytes, this.out.end + out.end);
    aside.#claimed = 0;
    this.out.appendRun(out.bytes, 0, out.end);
    freeBytes(out.bytes);
    out.bytes = Buffer.alloc(0);
    out.clear();
  }

  /** Claims room for bytes that a command keeps while it waits, until `release`. */
  claimKept(bytes: number): void {
    this.#claimRoom(bytes);
  }

  ok(): void {
    this.#raw(OK);
  }

  /** A status: one line. */
  simple(text: string): void {
    this.#line(`+${text}`);
  }

  /** `text` begins with a code such as ERR. What would break the line is made a space; it repeats no novel. */
  error(text: string): void {
    this.hasFailed = true;
    this.#line(`-${text.slice(0, LONGEST_ERROR).replace(/[\r\n]/g, " ")}`);
  }

  integer(value: number | bigint): void {
    if (typeof value === "number" && value >= 0 && value < 2 ** 31) this.#head(COLON, value);
    else this.#line(`:${value}`);
  }

  nil(): void {
    this.#raw(this.version === 3 ? NIL_3 : NIL_2);
  }

  bulk({ bytes, start, end }: Bytes): void {
    this.#makeRoom(end - start);
    this.#head(DOLLAR, end - start);
    this.out.appendRun(bytes, start, end);
    this.#raw(CRLF);
  }

  text(text: string): void {
    const bytes = Buffer.from(text);
    this.bulk({ bytes, start: 0, end: bytes.length });
  }

  /**
   * Begins a bulk string that somebody else appends to the answered buffer; `endBulk` must follow.
   * There is room for a length of as many digits as the last one's: measured in one run, a GET of
   * 100 bytes 200 ns, by way of a buffer of its own 260 ns.
   */
  beginBulk(): ByteBuffer {
    this.#makeRoom(0);
    const { out } = this;
    this.#headAt = out.end;
    const room = this.#digits + 3;
    out.reserve(room);
    out.end += room;
    out.byteString = undefined;
    return out;
  }

  /** Ends it: the bytes appended, or MISS for a nil. */
  endBulk(length: number): void {
    const { out } = this;
    if (length === MISS) {
      out.end = this.#headAt;
      this.nil();
      return;
    }
    if (out.end > this.#roomBytes) this.#claimRoom(out.end);
    const digits = digitsOf(length);
    const shift = digits - this.#digits;
    if (shift !== 0) {
      const start = this.#headAt + this.#digits + 3;
      out.reserve(Math.max(0, shift));
      out.bytes.copyWithin(start + shift, start, start + length);
      out.end += shift;
      this.#digits = digits;
    }
    this.#headAtPlace(DOLLAR, length, digits, this.#headAt);
    out.reserve(2);
    out.bytes[out.end] = CR;
    out.bytes[out.end + 1] = LF;
    out.end += 2;
  }

  array(count: number): void {
    this.#line(`*${count}`);
  }

  /** Makes what was written since `mark` an array of so many. */
  insertArray(mark: number, count: number): void {
    const { out } = this;
    const head = Buffer.from(`*${count}\r\n`);
    out.reserve(head.length);
    out.bytes.copyWithin(mark + head.length, mark, out.end);
    head.copy(out.bytes, mark);
    out.end += head.length;
  }

  /** Key and value after key and value; in version 2 an array. */
  map(pairs: number): void {
    this.#line(this.version === 3 ? `%${pairs}` : `*${pairs * 2}`);
  }

  set(count: number): void {
    this.#line(this.version === 3 ? `~${count}` : `*${count}`);
  }

  /** Plain text for people. */
  verbatim(text: string): void {
    this.#makeRoom(text.length);
    if (this.version === 2) this.text(text);
    else this.out.appendBytes(Buffer.from(`=${Buffer.byteLength(text) + 4}\r\ntxt:${text}\r\n`));
  }

  /** Claims room for what has been written and `moreBytes` that follow. The last value may exceed the limit. */
  #makeRoom(moreBytes: number): void {
    const { end } = this.out;
    const bytes = end + moreBytes;
    if (bytes <= this.#roomBytes) return;
    if (end > this.limitBytes) throw new OutputLimitError("the answer is too long");
    this.#claimRoom(bytes);
  }

  #claimRoom(bytes: number): void {
    const wanted = Math.ceil(bytes * 1.25);
    if (!this.hasLane) {
      if (!this.#claim(this.#claimed, wanted)) throw new NoRoomError(wanted);
      this.#claimed = wanted;
    }
    this.#roomBytes = Math.max(bytes, Math.min(wanted, this.limitBytes));
  }

  /** A line of a type's sign and a number from 0 to 2^31 - 1. */
  #head(sign: number, value: number): void {
    const digits = digitsOf(value);
    this.out.reserve(digits + 3);
    this.out.byteString = undefined;
    this.#headAtPlace(sign, value, digits, this.out.end);
    this.out.end += digits + 3;
  }

  #headAtPlace(sign: number, value: number, digits: number, at: number): void {
    const { bytes } = this.out;
    bytes[at] = sign;
    for (let place = at + digits, rest = value; place > at; place--) {
      const tens = (rest / 10) | 0;
      bytes[place] = ZERO + rest - tens * 10;
      rest = tens;
    }
    bytes[at + digits + 1] = CR;
    bytes[at + digits + 2] = LF;
  }

  #line(text: string): void {
    this.#makeRoom(0);
    const { out } = this;
    // UTF-8 takes at most three bytes for each UTF-16 unit.
    out.reserve(text.length * 3);
    out.end += out.bytes.write(text, out.end, "utf8");
    this.#raw(CRLF);
  }

  /** A few bytes. Measured in one run, a SET in a pipeline of 16: a loop 0.96 × the time of a copy. */
  #raw(bytes: Buffer): void {
    const { out } = this;
    out.reserve(bytes.length);
    out.byteString = undefined;
    for (let place = 0; place < bytes.length; place++) {
      out.bytes[out.end + place] = bytes[place] as number;
    }
    out.end += bytes.length;
  }
}

function digitsOf(value: number): number {
  if (value < 10) return 1;
  if (value < 100) return 2;
  if (value < 1000) return 3;
  let digits = 4;
  for (let rest = value / 10_000; rest >= 1; rest /= 10) digits++;
  return digits;
}
