// The table of trust: what all threads know of the upstream's primaries. The supervisor's thread (the
// Tracker) is the only writer, but for stripes and epochs, which every thread may raise.
//
//   near value      may be served while its epoch is that of its primary, and the primary is trusted
//   load            may fill if its primary was trusted, and epoch and stripe are as when it was sent
//   invalidation    stripe += 1, then delete the key: a load in flight does not fill
//   epoch + FLUSH   drops all near values of a primary at once, without a scan
//   epoch + 1       its connection is lost: they may be served as stale, until the next flush
//
// A stripe is the version of all keys with the same hash. Two keys of a stripe cost a fill now and then.
//
// Typed arrays: indexes are in range by construction.

import type { Bytes } from "../cache/cache.ts";
import { xxh32 } from "../cache/hash.ts";
import { SLOTS } from "./slots.ts";

/** Most primaries, those without slots included. */
export const PRIMARIES_MAX = 255;
/** The owner of a slot that no primary serves. */
export const NO_PRIMARY = 255;

const STRIPES = 65_536;
/** What a flush adds to an epoch. A lost connection adds 1: this number of them in a row also flushes, which is safe. */
const FLUSH = 256;
/** A row has the name of a primary, and behind it its address. */
const ID_BYTES = 64;
const ROW_BYTES = 384;

export const MODES = ["unknown", "server", "cluster"] as const;
export type Mode = (typeof MODES)[number];

const MODE = 0;
/** Index of the seed that the only server was reached by. */
const SEED = 1;
const COVERED = 2;
/** Counts the changes of the primaries' names and addresses. */
const VERSION = 3;
const WORDS = 4;

/** Plain data that may be sent to a worker. */
export interface TrustMemory {
  readonly stripes: SharedArrayBuffer;
  readonly epochs: SharedArrayBuffer;
  readonly trustedUntil: SharedArrayBuffer;
  readonly trustEnds: SharedArrayBuffer;
  readonly beats: SharedArrayBuffer;
  readonly owners: SharedArrayBuffer;
  readonly ids: SharedArrayBuffer;
  readonly words: SharedArrayBuffer;
}

export function allocateTrust(): TrustMemory {
  const memory = {
    stripes: new SharedArrayBuffer(STRIPES * 4),
    epochs: new SharedArrayBuffer(PRIMARIES_MAX * 4),
    trustedUntil: new SharedArrayBuffer(PRIMARIES_MAX * 8),
    trustEnds: new SharedArrayBuffer(PRIMARIES_MAX * 8),
    beats: new SharedArrayBuffer(PRIMARIES_MAX * 8),
    owners: new SharedArrayBuffer(SLOTS),
    ids: new SharedArrayBuffer(PRIMARIES_MAX * ROW_BYTES),
    words: new SharedArrayBuffer(WORDS * 4),
  };
  new Uint8Array(memory.owners).fill(NO_PRIMARY);
  return memory;
}

/** The right to fill one key, as of the moment when its load was sent. */
export interface LoadToken {
  readonly primary: number;
  readonly epoch: number;
  readonly stripe: number;
  readonly version: number;
}

/** One thread's view of the table. */
export class Trust {
  readonly #stripes: Int32Array;
  readonly #epochs: Int32Array;
  readonly #trustedUntil: Float64Array;
  /** Until when the last answered beat would have been trusted. */
  readonly #trustEnds: Float64Array;
  readonly #beats: Float64Array;
  readonly #owners: Uint8Array;
  readonly #ids: Buffer;
  readonly #words: Int32Array;

  constructor(memory: TrustMemory) {
    this.#stripes = new Int32Array(memory.stripes);
    this.#epochs = new Int32Array(memory.epochs);
    this.#trustedUntil = new Float64Array(memory.trustedUntil);
    this.#trustEnds = new Float64Array(memory.trustEnds);
    this.#beats = new Float64Array(memory.beats);
    this.#owners = new Uint8Array(memory.owners);
    this.#ids = Buffer.from(memory.ids);
    this.#words = new Int32Array(memory.words);
  }

  /** Whether a value that was loaded from `primary` in `epoch` may be served. O(1). */
  holds(primary: number, epoch: number, nowMs: number): boolean {
    return Atomics.load(this.#epochs, primary) === epoch && nowMs < this.#trustedUntil[primary]!;
  }

  /**
   * Whether a value that was loaded from `primary` in `epoch` may be served as stale, until `staleMs` after the
   * end of trust: nothing but lost connections has dropped it. O(1).
   */
  holdsStale(primary: number, epoch: number, nowMs: number, staleMs: number): boolean {
    const isFlushed = ((Atomics.load(this.#epochs, primary) ^ epoch) & -FLUSH) !== 0;
    return !isFlushed && nowMs < this.#trustEnds[primary]! + staleMs;
  }

  isTrusted(primary: number, nowMs: number): boolean {
    return nowMs < this.#trustedUntil[primary]!;
  }

  /** Returns the token of a load of `key` from this primary. O(key). */
  tokenOf(key: Bytes, primary: number): LoadToken {
    const stripe = stripeOf(key);
    return {
      primary,
      epoch: Atomics.load(this.#epochs, primary),
      stripe,
      version: Atomics.load(this.#stripes, stripe),
    };
  }

  /** Returns why a load may no longer fill, or undefined if it may. O(1). */
  staleness({ primary, epoch, stripe, version }: LoadToken): "flushed" | "invalidated" | undefined {
    if (Atomics.load(this.#stripes, stripe) !== version) return "invalidated";
    return Atomics.load(this.#epochs, primary) === epoch ? undefined : "flushed";
  }

  /** Voids the loads of the key. The caller deletes the key afterwards, in this order. O(key). */
  raiseStripe(key: Bytes): void {
    Atomics.add(this.#stripes, stripeOf(key), 1);
  }

  /** Drops all near values of a primary, and voids its loads. O(1). */
  raiseEpoch(primary: number): void {
    Atomics.add(this.#epochs, primary, FLUSH);
  }

  /** As `raiseEpoch`, but the near values may be served as stale. */
  loseConnection(primary: number): void {
    Atomics.add(this.#epochs, primary, 1);
  }

  /** Drops all near values of all primaries. */
  raiseAllEpochs(): void {
    for (let primary = 0; primary < PRIMARIES_MAX; primary++) this.raiseEpoch(primary);
  }

  /** Trusts a primary until this time of the cache's clock; 0: not at all. */
  trustUntil(primary: number, untilMs: number): void {
    this.#trustedUntil[primary] = untilMs;
    if (untilMs > 0) this.#trustEnds[primary] = untilMs;
  }

  /** Records when the last answered beat of a primary was sent. */
  recordBeat(primary: number, sentMs: number): void {
    this.#beats[primary] = sentMs;
  }

  /** Returns the time since the last answered beat was sent; undefined without one. */
  beatAgeMs(primary: number, nowMs: number): number | undefined {
    const sentMs = this.#beats[primary]!;
    return sentMs === 0 ? undefined : Math.max(0, nowMs - sentMs);
  }

  /** Returns the primary of a slot, or NO_PRIMARY. */
  ownerOf(slot: number): number {
    return this.#owners[slot]!;
  }

  setOwner(slot: number, primary: number): void {
    this.#owners[slot] = primary;
  }

  /** Returns the name by which the upstream knows a primary; "" if the number is free. */
  idOf(primary: number): string {
    return this.#text(primary * ROW_BYTES, ID_BYTES);
  }

  /** Returns the address of a primary, for people. */
  addressOf(primary: number): string {
    return this.#text(primary * ROW_BYTES + ID_BYTES, ROW_BYTES - ID_BYTES);
  }

  /** Gives a number to a primary, or frees it with "". */
  setId(primary: number, id: string, address = ""): void {
    const at = primary * ROW_BYTES;
    this.#ids.fill(0, at, at + ROW_BYTES);
    this.#ids.write(id.slice(0, ID_BYTES - 1), at, "latin1");
    this.#ids.write(address.slice(0, ROW_BYTES - ID_BYTES - 1), at + ID_BYTES, "latin1");
    this.raiseEpoch(primary);
    Atomics.add(this.#words, VERSION, 1);
  }

  /** Changes with the primaries' names and addresses. */
  get version(): number {
    return Atomics.load(this.#words, VERSION);
  }

  #text(at: number, length: number): string {
    const end = this.#ids.indexOf(0, at);
    return this.#ids.toString("latin1", at, end < 0 ? at + length : Math.min(end, at + length));
  }

  get mode(): Mode {
    return MODES[Atomics.load(this.#words, MODE)]!;
  }

  /** `seed`: the index of the seed that answered. */
  setMode(mode: Mode, seed: number): void {
    Atomics.store(this.#words, SEED, seed);
    Atomics.store(this.#words, MODE, MODES.indexOf(mode));
  }

  get seed(): number {
    return Atomics.load(this.#words, SEED);
  }

  /** Number of slots whose primary is connected. */
  get coveredSlots(): number {
    return Atomics.load(this.#words, COVERED);
  }

  set coveredSlots(slots: number) {
    Atomics.store(this.#words, COVERED, slots);
  }

  /** The numbers of the primaries that have a name. */
  primaries(): number[] {
    const found: number[] = [];
    for (let primary = 0; primary < PRIMARIES_MAX; primary++) {
      if (this.#ids[primary * ROW_BYTES] !== 0) found.push(primary);
    }
    return found;
  }
}

function stripeOf({ bytes, start, end }: Bytes): number {
  return xxh32(bytes, start, end) & (STRIPES - 1);
}
