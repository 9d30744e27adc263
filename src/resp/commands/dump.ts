// DUMP and RESTORE. A payload is a type, a string, the version of the format and a checksum, as redis writes it:
// either server restores the payloads of the other.

import { ByteBuffer, type Bytes, MISS, NEVER } from "../../cache/cache.ts";
import { Crc64 } from "../protocol/crc64.ts";
import { LzfReader } from "../protocol/lzf.ts";
import { readInteger, readNumber } from "../protocol/numbers.ts";
import type { Argument } from "../protocol/parser.ts";
import { HEAD_BYTES_MAX, integerForm, readString, stringHead } from "../protocol/rdb-string.ts";
import { argument, type Command, type CommandContext, fits, update } from "./context.ts";
import { define, LINEAR } from "./define.ts";
import { MILLISECONDS, readExpiry, UNIX_MILLISECONDS } from "./expiry.ts";
import { Failure, NOT_AN_INTEGER, TOO_LARGE } from "./failure.ts";
import { flag, grammar, oneOf, option, repeatable } from "./grammar.ts";
import { inSlices } from "./slices.ts";
import { ownBytes } from "./value-parts.ts";

const BUSY_KEY = new Failure("BUSYKEY Target key name already exists.");
const INVALID_TTL = new Failure("ERR Invalid TTL value, must be >= 0");
const INVALID_IDLE_TIME = new Failure("ERR Invalid IDLETIME value, must be >= 0");
const INVALID_FREQUENCY = new Failure("ERR Invalid FREQ value, must be >= 0 and <= 255");
const WRONG_CHECKSUM = new Failure("ERR DUMP payload version or checksum are wrong");
const MALFORMED = new Failure("ERR Bad data format");
const NOT_A_STRING = new Failure(
  "ERR Bad data format: the value is no string, and only strings are stored",
);

const TYPE_STRING = 0;
/** The version of redis 7.0. Strings have had the same format in all versions. */
const VERSION = 10;
const VERSION_BYTES = 2;
const CHECKSUM_BYTES = 8;
const FOOTER_BYTES = VERSION_BYTES + CHECKSUM_BYTES;
/** Bytes of one step of the checksum, which takes 0.3 ms. */
const BYTES_PER_STEP = 128 * 1024;

export const DUMP_COMMANDS: readonly Command[] = [
  define(
    "dump",
    "key",
    "readonly",
    "2.6.0",
    "The value of a key as RESTORE takes it, in the format of Redis.",
    dump,
    LINEAR,
  ),
  define(
    "restore",
    "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
    "write denyoom",
    "2.6.0",
    "Sets the value of a key to a string that DUMP has returned, also that of Redis.",
    restore,
    LINEAR,
  ),
];

function dump(context: CommandContext): void | Failure {
  const { cache, nowMs, reply } = context;
  const key = argument(context, 1);
  const facts = cache.look(key, nowMs, true);
  const kept = reply.aside();
  // Room before the value for its type and its head, and behind it for the footer.
  const start = 1 + HEAD_BYTES_MAX;
  const capacity = start + (facts?.valueBytes ?? 0) + FOOTER_BYTES;
  kept.claimKept(capacity);
  const payload = new ByteBuffer(capacity, true);
  payload.end = start;
  const length = cache.get(key, nowMs, payload);
  if (length === MISS) {
    kept.release();
    return reply.nil();
  }
  const value = { bytes: payload.bytes, start, end: payload.end };
  const integer = integerForm(value);
  const head = integer ?? stringHead(length);
  if (integer !== undefined) payload.end = start;
  const from = start - 1 - head.length;
  payload.bytes[from] = TYPE_STRING;
  head.copy(payload.bytes, from + 1);
  payload.appendBytes(Buffer.of(VERSION, 0));
  const checksum = new Checksum({ bytes: payload.bytes, start: from, end: payload.end });
  const write = (): void => {
    payload.appendBytes(checksum.digest());
    reply.bulk({ bytes: payload.bytes, start: from, end: payload.end });
  };
  return inSlices(context, () => checksum.step(), write, [kept]);
}

/** The checksum of many bytes, in steps. */
class Checksum {
  readonly #bytes: Bytes;
  readonly #crc = new Crc64();
  #at: number;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
    this.#at = bytes.start;
  }

  /** Returns whether it was the last step. O(BYTES_PER_STEP). */
  step(): boolean {
    const { bytes, end } = this.#bytes;
    const stop = Math.min(end, this.#at + BYTES_PER_STEP);
    this.#crc.update({ bytes, start: this.#at, end: stop });
    this.#at = stop;
    return stop === end;
  }

  digest(): Buffer {
    return this.#crc.digest();
  }
}

const RESTORE_OPTIONS = grammar({
  replace: repeatable(flag("replace")),
  absolute: repeatable(flag("absttl")),
  // Eviction keeps no such number: it is checked and ignored.
  use: oneOf(
    option("idletime", (text) => inRange(text, Infinity, INVALID_IDLE_TIME)),
    option("freq", (text) => inRange(text, 255, INVALID_FREQUENCY)),
  ),
});

function inRange(text: Argument, max: number, failure: Failure): number | Failure {
  const value = readNumber(text);
  if (value === undefined) return NOT_AN_INTEGER;
  return value >= 0 && value <= max ? value : failure;
}

function restore(context: CommandContext): void | Failure {
  const { cache, nowMs, reply } = context;
  const options = RESTORE_OPTIONS.parse(context, 4);
  if (options instanceof Failure) return options;
  const replaces = options.replace !== undefined;
  const key = argument(context, 1);
  if (!replaces && cache.look(key, nowMs) !== undefined) return BUSY_KEY;
  const expiresAtMs = readLifetime(context, options.absolute !== undefined);
  if (expiresAtMs instanceof Failure) return expiresAtMs;
  const payload = argument(context, 3);
  const { end } = payload;
  if (end - payload.start < FOOTER_BYTES) return WRONG_CHECKSUM;
  // The arguments are not valid while the command waits.
  const isShort = end - payload.start <= BYTES_PER_STEP;
  const kept = reply.aside();
  if (!isShort) kept.claimKept(end - payload.start);
  const [ownKey, own] = isShort ? [key, payload] : [ownBytes(key), ownBytes(payload)];
  const restored = new Restored(own, cache.maxValueBytes, (bytes) => kept.claimKept(bytes));
  const write = (): void | Failure => {
    const value = restored.value();
    if (value instanceof Failure) return value;
    if (!fits(context, ownKey, value)) return TOO_LARGE;
    const failure = update(context, ownKey, (entry) => {
      if (entry !== undefined && !replaces) return BUSY_KEY;
      if (expiresAtMs <= context.nowMs) return entry === undefined ? "keep" : "delete";
      return { value, expiresAtMs };
    });
    if (failure !== undefined) return failure;
    reply.ok();
  };
  return inSlices(context, () => restored.step(), write, [kept]);
}

/** Reads the time to live of RESTORE: 0 means for good. */
function readLifetime(context: CommandContext, isAbsolute: boolean): number | Failure {
  const text = argument(context, 2);
  const ttl = readInteger(text);
  if (ttl === undefined) return NOT_AN_INTEGER;
  if (ttl < 0) return INVALID_TTL;
  if (ttl === 0) return context.cache.expiresAtMs(NEVER, context.nowMs);
  return readExpiry(context, text, isAbsolute ? UNIX_MILLISECONDS : MILLISECONDS);
}

/** The value of a payload: its checksum is checked first, then it is decompressed, both in steps. */
class Restored {
  readonly #payload: Bytes;
  readonly #checksum: Checksum;
  readonly #maxBytes: number;
  readonly #claim: (bytes: number) => void;
  #lzf: LzfReader | undefined;
  #value: Bytes | Failure | undefined;

  constructor(payload: Bytes, maxBytes: number, claim: (bytes: number) => void) {
    this.#payload = payload;
    this.#maxBytes = maxBytes;
    this.#claim = claim;
    const { bytes, start, end } = payload;
    this.#checksum = new Checksum({ bytes, start, end: end - CHECKSUM_BYTES });
  }

  /** The value, after the last step. */
  value(): Bytes | Failure {
    return this.#value ?? MALFORMED;
  }

  /** Returns whether it was the last step. */
  step(): boolean {
    if (this.#lzf !== undefined) return this.#decompress(this.#lzf);
    if (!this.#checksum.step()) return false;
    this.#read();
    return this.#lzf === undefined;
  }

  #read(): void {
    const { bytes, start, end } = this.#payload;
    const expected = bytes.subarray(end - CHECKSUM_BYTES, end);
    if (!this.#checksum.digest().equals(expected)) this.#value = WRONG_CHECKSUM;
    else if (bytes[start] !== TYPE_STRING) this.#value = NOT_A_STRING;
    else {
      const found = readString({ bytes, start: start + 1, end: end - FOOTER_BYTES });
      if (found?.fullBytes === undefined) this.#value = found?.value ?? MALFORMED;
      else if (found.fullBytes > this.#maxBytes) this.#value = TOO_LARGE;
      else {
        this.#claim(found.fullBytes);
        this.#lzf = new LzfReader(found.value, found.fullBytes);
      }
    }
  }

  #decompress(lzf: LzfReader): boolean {
    const state = lzf.step();
    if (state === "done") this.#value = { bytes: lzf.output, start: 0, end: lzf.output.length };
    return state !== "more";
  }
}
