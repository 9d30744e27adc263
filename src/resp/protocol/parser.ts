// Reads commands of the Redis protocol out of bytes, in place: arguments are runs of
// the bytes they came in. Several commands can be read before the first is run: each
// is taken in words of its own. What is not whole yet is gone on with when more has come,
// from where it was left.
//
//   *2\r\n $3\r\nGET\r\n $1\r\nk\r\n      an array of bulk strings
//   GET k\r\n                             inline, with quotes as in a shell
//
// Limits and error texts are those of redis 7, src/networking.c (processMultibulkBuffer,
// processInlineBuffer) and src/sds.c (sdssplitargs).

import { fullGC } from "bun:jsc";

import type { RoutedKey } from "../../cache/bytes.ts";
import { splitInline } from "./inline.ts";

/** A run of bytes that is used again for another command. */
export class Argument implements RoutedKey {
  bytes: Buffer;
  start = 0;
  end = 0;
  shard = -1;
  hash = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** In lower case, for options and names. */
  toWord(): string {
    return this.toText().toLowerCase();
  }

  toText(): string {
    return this.bytes.toString("utf8", this.start, this.end);
  }
}

/** What `next` found: a command, a line without one, only part of one, or what is none. */
export const COMMAND = 0;
export const NOTHING = 1;
export const MORE = 2;
export const ERROR = 3;
export type Outcome = typeof COMMAND | typeof NOTHING | typeof MORE | typeof ERROR;

/** Longest inline command, and longest line that says a length. */
const MAX_LINE = 64 * 1024;
const MAX_ARGUMENTS = 2 ** 31 - 1;
/** Limits for a client that has not shown its token: enough for AUTH and HELLO. */
const MAX_UNTRUSTED_ARGUMENTS = 10;
const MAX_UNTRUSTED_BULK_BYTES = 1024;
const MAX_UNTRUSTED_LINE = 2048;
/** Bytes of an unfinished command that such a client may send. */
export const MAX_UNTRUSTED_BYTES = 4096;
/** Arguments that each `ParsedCommand` keeps for its next command; those of longer commands are shared. */
const KEPT_ARGUMENTS = 16;

/** Bytes of one argument, an object and a place in an array; clients may send a million of no bytes. */
const ARGUMENT_BYTES = 96;
/**
 * Argument lists of long commands that have been run, for the next long commands of any connection of
 * this thread. Measured with MSET of 10,000 keys: without them 20,001 new objects each, which only a
 * full collection frees.
 */
const spareLists: Argument[][] = [];
const MAX_SPARE_LISTS = 4;
const MAX_SPARE_ARGUMENTS = 32 * 1024;
/**
 * Objects of longer commands are old when they are let go of, and only a full collection frees them.
 * Measured with 30 clients that send 60 MB of arguments of no bytes: 298 MB resident without it.
 */
const COLLECT_AFTER_ARGUMENTS = 2 ** 16;
let droppedArguments = 0;

function drop(argumentCount: number): void {
  droppedArguments += argumentCount;
  if (droppedArguments < COLLECT_AFTER_ARGUMENTS) return;
  droppedArguments = 0;
  fullGC();
}

const CR = 13;
const LF = 10;
const ASTERISK = 42;
const DOLLAR = 36;
const ZERO = 48;

/** Values of `#number` that are none. */
const UNFINISHED = -1;
const NO_NUMBER = -2;
const NEGATIVE = -3;
const NO_BYTES = Buffer.alloc(0);

/** One command: its name and its arguments. */
export class ParsedCommand {
  /** Those from `count` on are left from other commands. */
  args: Argument[] = [];
  count = 0;
  /** Where the bytes of the command begin, after the line with the number of its arguments, and end. */
  start = 0;
  end = 0;
  isInline = false;
  readonly #own = this.args;

  /** Lets go of the command's bytes. */
  release(): void {
    const { args, count } = this;
    for (let index = 0; index < count; index++) (args[index] as Argument).bytes = NO_BYTES;
    this.count = 0;
    if (this.args === this.#own) return;
    const list = this.args;
    this.args = this.#own;
    if (spareLists.length < MAX_SPARE_LISTS && list.length <= MAX_SPARE_ARGUMENTS) {
      spareLists.push(list);
    } else drop(list.length);
  }

  /** To be filled. Places are asked for in order. */
  argument(place: number): Argument {
    if (place === KEPT_ARGUMENTS && this.args === this.#own) this.#takeLongList();
    return (this.args[place] ??= new Argument(NO_BYTES));
  }

  #takeLongList(): void {
    const list = spareLists.pop() ?? [];
    for (let place = 0; place < KEPT_ARGUMENTS; place++) {
      const spare = list[place];
      list[place] = this.#own[place] ?? new Argument(NO_BYTES);
      this.#own[place] = spare ?? new Argument(NO_BYTES);
    }
    this.args = list;
  }
}

export class Parser {
  /** Of the last command, or of the one that is not whole yet. */
  #words = new ParsedCommand();
  /** What is wrong, after ERROR; the connection cannot go on. */
  error = "";
  /** Whether the client may send long commands. */
  isTrusted = true;
  /** Where the next command begins: what is before is done with. */
  position = 0;
  readonly #limits: { readonly maxBulkBytes: number };
  /** Where to go on in a command that is not whole. */
  #at = 0;
  /** Arguments that it still lacks; 0 before its first line is read. */
  #lacks = 0;
  /** Length of the argument whose bytes are next, or UNFINISHED. */
  #length = UNFINISHED;

  /** `limits` says the longest argument there may be, which may change. */
  constructor(limits: { readonly maxBulkBytes: number }) {
    this.#limits = limits;
  }

  /** Looks for a command in `bytes[position, end)`. O(end - position) over all calls. */
  next(bytes: Buffer, end: number): Outcome {
    const words = this.#words;
    if (this.#lacks === 0) {
      if (this.position >= end) return MORE;
      if (bytes[this.position] !== ASTERISK) return this.#inline(bytes, end);
      const count = this.#number(bytes, this.position + 1, end);
      if (count === UNFINISHED) return this.#unfinished(end, this.position, "mbulk count");
      if (count === NO_NUMBER || count > MAX_ARGUMENTS)
        return this.#fail("invalid multibulk length");
      if (count > MAX_UNTRUSTED_ARGUMENTS && !this.isTrusted)
        return this.#fail("unauthenticated multibulk length");
      this.position = this.#lineEnd;
      if (count === NEGATIVE || count === 0) return NOTHING;
      this.#at = this.position;
      this.#lacks = count;
      this.#words.count = 0;
    }
    while (this.#lacks > 0) {
      if (this.#length === UNFINISHED) {
        if (this.#at >= end) return MORE;
        const length = this.#number(bytes, this.#at + 1, end);
        if (length === UNFINISHED) return this.#unfinished(end, this.#at, "bulk count");
        if (bytes[this.#at] !== DOLLAR) {
          const got = String.fromCharCode(bytes[this.#at] ?? 0);
          return this.#fail(`expected '$', got '${got}'`);
        }
        if (length < 0 || length > this.#limits.maxBulkBytes)
          return this.#fail("invalid bulk length");
        if (length > MAX_UNTRUSTED_BULK_BYTES && !this.isTrusted)
          return this.#fail("unauthenticated bulk length");
        this.#at = this.#lineEnd;
        this.#length = length;
      }
      if (this.#at + this.#length + 2 > end) return MORE;
      const arg = words.args[words.count] ?? words.argument(words.count);
      words.count++;
      arg.start = this.#at;
      arg.end = this.#at + this.#length;
      this.#at = arg.end + 2;
      this.#length = UNFINISHED;
      this.#lacks--;
    }
    const { args, count } = words;
    for (let index = 0; index < count; index++) {
      const arg = args[index] as Argument;
      arg.bytes = bytes;
      arg.shard = -1;
    }
    words.isInline = false;
    words.start = this.position;
    this.position = words.end = this.#at;
    return COMMAND;
  }

  /** The command that was found, in exchange for words that the next one may be read into. */
  take(spare: ParsedCommand): ParsedCommand {
    const words = this.#words;
    this.#words = spare;
    return words;
  }

  /** Lets go of a command that is not whole: its connection has ended. */
  release(): void {
    this.#words.release();
  }

  /** Goes back to where a command has ended, or to where one begins. */
  rewind(position: number): void {
    this.position = this.#at = position;
    this.#lacks = 0;
    this.#length = UNFINISHED;
  }

  /** Goes back to before a command, which is to be read again. */
  reread({ start, count, isInline }: ParsedCommand): void {
    this.rewind(start);
    if (isInline) return;
    this.#lacks = count;
    this.#words.count = 0;
  }

  /** How many bytes from `position` on the command has at least, as far as it is known. */
  get wantedBytes(): number {
    return this.#at + Math.max(0, this.#length) - this.position;
  }

  /** Whether the command ends with these. */
  get isLastWanted(): boolean {
    return this.#lacks === 1 && this.#length !== UNFINISHED;
  }

  /** Bytes that the arguments of a command that is not whole take beside their text. */
  get argumentBytes(): number {
    return this.#lacks === 0 ? 0 : this.#words.count * ARGUMENT_BYTES;
  }

  /** The bytes from `position` on are to be found from 0 on now. */
  rebase(): void {
    const by = this.position;
    this.position = 0;
    this.#at = Math.max(0, this.#at - by);
    // A command that comes in many pieces is not gone over for each.
    if (this.#lacks === 0 || by === 0) return;
    for (let place = 0; place < this.#words.count; place++) {
      const arg = this.#words.argument(place);
      arg.start -= by;
      arg.end -= by;
    }
  }

  /** After the line that `#number` has read. */
  #lineEnd = 0;

  /** The decimal number from `at` to the end of its line, as redis's string2ll reads it. */
  #number(bytes: Buffer, at: number, end: number): number {
    let value = 0;
    let digits = 0;
    for (let place = at; place < end; place++) {
      const byte = bytes[place] ?? 0;
      if (byte === CR) {
        if (place + 1 >= end) return UNFINISHED;
        this.#lineEnd = place + 2;
        const isZeroPadded = digits > 1 && bytes[at] === ZERO;
        if (digits > 0 && digits === place - at && !isZeroPadded && digits < 16) return value;
        const isNegative = digits > 0 && digits === place - at - 1 && bytes[at] === 45;
        return isNegative && bytes[at + 1] !== ZERO ? NEGATIVE : NO_NUMBER;
      }
      if (byte >= ZERO && byte <= 57) {
        value = value * 10 + byte - ZERO;
        digits++;
      }
    }
    return UNFINISHED;
  }

  #unfinished(end: number, from: number, what: string): Outcome {
    return end - from > this.#maxLine ? this.#fail(`too big ${what} string`) : MORE;
  }

  get #maxLine(): number {
    return this.isTrusted ? MAX_LINE : MAX_UNTRUSTED_LINE;
  }

  #inline(bytes: Buffer, end: number): Outcome {
    const lineEnd = bytes.subarray(0, end).indexOf(LF, Math.max(this.position, this.#at));
    if (lineEnd < 0) {
      // What has been looked through is not looked through again.
      this.#at = end;
      return end - this.position > this.#maxLine ? this.#fail("too big inline request") : MORE;
    }
    const words = splitInline(bytes.subarray(this.position, lineEnd));
    if (words === undefined) return this.#fail("unbalanced quotes in request");
    this.#words.isInline = true;
    this.#words.start = this.position;
    this.position = this.#at = this.#words.end = lineEnd + 1;
    this.#words.count = words.length;
    for (const [place, word] of words.entries()) {
      const arg = this.#words.argument(place);
      arg.bytes = word;
      arg.start = 0;
      arg.end = word.length;
      arg.shard = -1;
    }
    return words.length === 0 ? NOTHING : COMMAND;
  }

  #fail(error: string): Outcome {
    this.error = `ERR Protocol error: ${error}`;
    return ERROR;
  }
}
