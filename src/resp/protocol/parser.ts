// Parses commands of the Redis protocol in place: arguments are ranges of the received bytes. Several
// commands can be parsed before the first one runs, each into its own ParsedCommand. The parser keeps
// its position in an incomplete command and continues there when more bytes arrive.
//
//   *2\r\n $3\r\nGET\r\n $1\r\nk\r\n      an array of bulk strings
//   GET k\r\n                             inline, with quotes as in a shell
//
// Limits and error texts are those of redis 7, src/networking.c (processMultibulkBuffer,
// processInlineBuffer) and src/sds.c (sdssplitargs).

import { fullGC } from "bun:jsc";

import type { RoutedKey } from "../../cache/bytes.ts";
import { splitInline } from "./inline.ts";

/** A range of bytes. The object is reused for later commands. */
export class Argument implements RoutedKey {
  bytes: Buffer;
  start = 0;
  end = 0;
  shard = -1;
  hash = 0;
  slot = -1;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** Returns the text in lower case, for options and names. */
  toWord(): string {
    return this.toText().toLowerCase();
  }

  toText(): string {
    return this.bytes.toString("utf8", this.start, this.end);
  }

  /**
   * Returns the text as an error repeats it: each character is one byte, and the text ends before the first
   * zero byte, as with `%s` in Redis.
   */
  toShown(): string {
    const zero = this.bytes.subarray(this.start, this.end).indexOf(0);
    return this.bytes.toString("latin1", this.start, zero < 0 ? this.end : this.start + zero);
  }
}

/** Results of `next`: a command, a line without a command, an incomplete command, or a protocol error. */
export const COMMAND = 0;
export const NOTHING = 1;
export const MORE = 2;
export const ERROR = 3;
export type Outcome = typeof COMMAND | typeof NOTHING | typeof MORE | typeof ERROR;

/** Maximum length of an inline command, and of a line with a length. */
const LINE_MAX = 64 * 1024;
const ARGUMENTS_MAX = 2 ** 31 - 1;
/** Limits for a client that has not sent its token: enough for AUTH and HELLO. */
const UNTRUSTED_ARGUMENTS_MAX = 10;
const UNTRUSTED_BULK_BYTES_MAX = 1024;
const UNTRUSTED_LINE_MAX = 2048;
/** The default of proto-max-bulk-len in Redis: a longer argument is invalid with or without a token. */
const BULK_BYTES_MAX = 512 * 2 ** 20;
/** Maximum size of an incomplete command of such a client. */
export const UNTRUSTED_BYTES_MAX = 4096;
/** Number of arguments that each `ParsedCommand` keeps for its next command. Longer commands share lists. */
const KEPT_ARGUMENTS = 16;

/** Bytes of an argument's object and array slot. A client may send a million empty arguments. */
const ARGUMENT_BYTES = 96;
/**
 * Argument lists of finished long commands, for the next long commands of any connection of this
 * thread. Measured with MSET of 10,000 keys: without these lists each command creates 20,001 objects,
 * which only a full collection frees.
 */
const spareLists: Argument[][] = [];
/** As many commands may be parsed before the first of them runs: a pipeline, and one of each other client. */
const SPARE_LISTS_MAX = 96;
/** Maximum number of arguments of all these lists. */
const SPARE_ARGUMENTS_MAX = 128 * 1024;
let spareArguments = 0;
/**
 * Objects of longer commands are old when they are released, and only a full collection frees them.
 * Measured with 30 clients that send 60 MB of empty arguments: 298 MB resident without the collection.
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

/** Results of `#number` that are not a number. */
const UNFINISHED = -1;
const NO_NUMBER = -2;
const NEGATIVE = -3;
const NO_BYTES = Buffer.alloc(0);

/** A command: its name and its arguments. */
export class ParsedCommand {
  /** Entries from index `count` on belong to earlier commands. */
  args: Argument[] = [];
  count = 0;
  /** Range of the command's bytes, without the line with the number of its arguments. */
  start = 0;
  end = 0;
  isInline = false;
  readonly #own = this.args;

  /** Releases the command's bytes. */
  release(): void {
    const { args, count } = this;
    for (let index = 0; index < count; index++) (args[index] as Argument).bytes = NO_BYTES;
    this.count = 0;
    if (this.args === this.#own) return;
    const list = this.args;
    this.args = this.#own;
    const fits = spareArguments + list.length <= SPARE_ARGUMENTS_MAX;
    if (fits && spareLists.length < SPARE_LISTS_MAX) {
      spareLists.push(list);
      spareArguments += list.length;
    } else drop(list.length);
  }

  /** Returns the argument at this index, to be filled. The caller asks for the indexes in order. */
  argument(index: number): Argument {
    if (index === KEPT_ARGUMENTS && this.args === this.#own) this.#takeLongList();
    return (this.args[index] ??= new Argument(NO_BYTES));
  }

  #takeLongList(): void {
    const list = spareLists.pop() ?? [];
    spareArguments -= list.length;
    for (let index = 0; index < KEPT_ARGUMENTS; index++) {
      const spare = list[index];
      list[index] = this.#own[index] ?? new Argument(NO_BYTES);
      this.#own[index] = spare ?? new Argument(NO_BYTES);
    }
    this.args = list;
  }
}

export class Parser {
  /** The last command, or the incomplete command. */
  #command = new ParsedCommand();
  /** The error text after ERROR. The connection must then close. */
  error = "";
  /** Whether the client may send long commands. */
  isTrusted = true;
  /** Offset of the next command. All bytes before it have been parsed. */
  position = 0;
  readonly #limits: { readonly maxBulkBytes: number };
  /** Offset at which the parser continues in an incomplete command. */
  #offset = 0;
  /** Number of arguments that the command still lacks; 0 before its first line is read. */
  #missing = 0;
  /** Length of the next argument, or UNFINISHED if its length line is not read yet. */
  #length = UNFINISHED;

  /** `limits` has the maximum size of an argument, which may change. */
  constructor(limits: { readonly maxBulkBytes: number }) {
    this.#limits = limits;
  }

  /** Parses the next command in `bytes[position, end)`. O(end - position) over all calls. */
  next(bytes: Buffer, end: number): Outcome {
    const command = this.#command;
    if (this.#missing === 0) {
      if (this.position >= end) return MORE;
      if (bytes[this.position] !== ASTERISK) return this.#inline(bytes, end);
      const count = this.#number(bytes, this.position + 1, end);
      if (count === UNFINISHED) return this.#unfinished(end, this.position, "mbulk count");
      if (count === NO_NUMBER || count > ARGUMENTS_MAX)
        return this.#fail("invalid multibulk length");
      if (count > UNTRUSTED_ARGUMENTS_MAX && !this.isTrusted)
        return this.#fail("unauthenticated multibulk length");
      this.position = this.#lineEnd;
      if (count === NEGATIVE || count === 0) return NOTHING;
      this.#offset = this.position;
      this.#missing = count;
      this.#command.count = 0;
    }
    while (this.#missing > 0) {
      if (this.#length === UNFINISHED) {
        if (this.#offset >= end) return MORE;
        const length = this.#number(bytes, this.#offset + 1, end);
        if (length === UNFINISHED) return this.#unfinished(end, this.#offset, "bulk count");
        if (bytes[this.#offset] !== DOLLAR) {
          const got = String.fromCharCode(bytes[this.#offset] ?? 0);
          return this.#fail(`expected '$', got '${got}'`);
        }
        if (length > UNTRUSTED_BULK_BYTES_MAX && !this.isTrusted && length <= BULK_BYTES_MAX)
          return this.#fail("unauthenticated bulk length");
        if (length < 0 || length > this.#limits.maxBulkBytes)
          return this.#fail("invalid bulk length");
        this.#offset = this.#lineEnd;
        this.#length = length;
      }
      if (this.#offset + this.#length + 2 > end) return MORE;
      // Within the bounds of the array: a read behind its end makes the compiler begin anew.
      const index = command.count++;
      const arg =
        index < command.args.length ? (command.args[index] as Argument) : command.argument(index);
      arg.start = this.#offset;
      arg.end = this.#offset + this.#length;
      this.#offset = arg.end + 2;
      this.#length = UNFINISHED;
      this.#missing--;
    }
    const { args, count } = command;
    for (let index = 0; index < count; index++) {
      const arg = args[index] as Argument;
      arg.bytes = bytes;
      arg.shard = -1;
    }
    command.isInline = false;
    command.start = this.position;
    this.position = command.end = this.#offset;
    return COMMAND;
  }

  /** Returns the parsed command. The parser uses `spare` for the next one. */
  take(spare: ParsedCommand): ParsedCommand {
    const command = this.#command;
    this.#command = spare;
    return command;
  }

  /** Releases an incomplete command whose connection has ended. */
  release(): void {
    this.#command.release();
  }

  /** Moves back to the end or to the beginning of a command. */
  rewind(position: number): void {
    this.position = this.#offset = position;
    this.#missing = 0;
    this.#length = UNFINISHED;
  }

  /** Moves back to the beginning of a command, so that it is parsed again. */
  reread({ start, count, isInline }: ParsedCommand): void {
    this.rewind(start);
    if (isInline) return;
    this.#missing = count;
    this.#command.count = 0;
  }

  /** The known minimum size of the command, counted from `position`. */
  get wantedBytes(): number {
    return this.#offset + Math.max(0, this.#length) - this.position;
  }

  /** Whether the command ends with the bytes of `wantedBytes`. */
  get isLastWanted(): boolean {
    return this.#missing === 1 && this.#length !== UNFINISHED;
  }

  /** Whether the head of a command was read and its arguments were not, or not all. */
  get isInside(): boolean {
    return this.#missing > 0;
  }

  /** Memory of the argument objects of an incomplete command, in bytes. */
  get argumentBytes(): number {
    return this.#missing === 0 ? 0 : this.#command.count * ARGUMENT_BYTES;
  }

  /** Moves all offsets, after the caller has moved the bytes at `position` to offset 0. */
  rebase(): void {
    const by = this.position;
    this.position = 0;
    this.#offset = Math.max(0, this.#offset - by);
    // Returns early if nothing moves: a command in many pieces would cost O(arguments) for each piece.
    if (this.#missing === 0 || by === 0) return;
    for (let index = 0; index < this.#command.count; index++) {
      const arg = this.#command.argument(index);
      arg.start -= by;
      arg.end -= by;
    }
  }

  /** Offset after the line that `#number` has read. */
  #lineEnd = 0;

  /** Parses the decimal number from `start` to the end of its line by the rules of redis's string2ll. */
  #number(bytes: Buffer, start: number, end: number): number {
    let value = 0;
    let digits = 0;
    for (let offset = start; offset < end; offset++) {
      const byte = bytes[offset] ?? 0;
      if (byte === CR) {
        if (offset + 1 >= end) return UNFINISHED;
        this.#lineEnd = offset + 2;
        const isZeroPadded = digits > 1 && bytes[start] === ZERO;
        if (digits > 0 && digits === offset - start && !isZeroPadded && digits < 16) return value;
        const isNegative = digits > 0 && digits === offset - start - 1 && bytes[start] === 45;
        return isNegative && bytes[start + 1] !== ZERO ? NEGATIVE : NO_NUMBER;
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
    return this.isTrusted ? LINE_MAX : UNTRUSTED_LINE_MAX;
  }

  #inline(bytes: Buffer, end: number): Outcome {
    const lineEnd = bytes.subarray(0, end).indexOf(LF, Math.max(this.position, this.#offset));
    if (lineEnd < 0) {
      // The next call continues after the bytes that were searched.
      this.#offset = end;
      return end - this.position > this.#maxLine ? this.#fail("too big inline request") : MORE;
    }
    const words = splitInline(bytes.subarray(this.position, lineEnd));
    if (words === undefined) return this.#fail("unbalanced quotes in request");
    this.#command.isInline = true;
    this.#command.start = this.position;
    this.position = this.#offset = this.#command.end = lineEnd + 1;
    this.#command.count = words.length;
    for (const [index, word] of words.entries()) {
      const arg = this.#command.argument(index);
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
