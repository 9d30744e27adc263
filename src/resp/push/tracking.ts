// CLIENT TRACKING: tells clients which keys have changed, so that they can keep copies of entries.
//
//   read:    register the key for the client, then read the entry
//   change:  store → change feed → each worker: the clients of the key, or of its prefix
//
// A key is registered before its entry is read, and a change is in the feed before the lock of its shard is
// released. So a client that has read an old value is always told. As in Redis, the database of a key does
// not count.

import type { Broadcast, BroadcastRecord } from "../../cache/broadcast.ts";
import { ByteBuffer, type Bytes, type ChangeFeed, type ChangeListener } from "../../cache/cache.ts";
import { clientKey, databaseOf, INTERNAL } from "../../cache/databases.ts";
import type { ByteBudget } from "../../shared-memory/byte-budget.ts";
import { type Clients, NO_ROW } from "../clients.ts";
import type { RespCounters } from "../counters.ts";
import type { Settings } from "../config-parameters.ts";
import { BroadcastPrefixes, type Prefix } from "./broadcast-prefixes.ts";
import type { Deliveries, PushSink } from "./deliveries.ts";
import { appendBrokenRedirect, appendInvalidation, appendKeys } from "./frames.ts";
import { byteString } from "./pubsub.ts";
import { type Receiver, Subscriber, type TrackingMode, TrackingState } from "./subscriber.ts";
import { TrackedKeys } from "./tracked-keys.ts";

/** Kinds of records to the worker of the client that invalidations are redirected to. */
export const INVALIDATE = 10;
const INVALIDATE_ALL = 11;
/** Bytes of a prefix beside its own. */
const PREFIX_BYTES = 300;
/** Keys that are forgotten to make room for one. */
const FORGOTTEN_MAX = 16;
const NO_KEYS: Bytes = { bytes: Buffer.alloc(0), start: 0, end: 0 };

export interface TrackingParts {
  readonly feed: ChangeFeed;
  readonly broadcast: Broadcast;
  readonly budget: ByteBudget;
  readonly deliveries: Deliveries;
  readonly sink: PushSink;
  readonly clients: Clients;
  readonly settings: Settings;
  readonly counters: RespCounters;
  readonly thread: number;
}

export class Tracking implements ChangeListener {
  readonly #parts: TrackingParts;
  readonly #keys: TrackedKeys;
  readonly #prefixes = new BroadcastPrefixes();
  /** The clients of this worker that track. */
  readonly #receivers = new Set<Receiver>();
  readonly #encoded = new ByteBuffer(1024, true);
  /** Keys that were forgotten inside a command; their clients are told after it. */
  readonly #forgotten: { readonly key: string; readonly ids: Iterable<number> }[] = [];
  #stop: (() => void) | undefined;

  constructor(parts: TrackingParts) {
    this.#parts = parts;
    this.#keys = new TrackedKeys(parts.budget, parts.counters);
  }

  /** Sends the invalidations that are known by now: a client then gets them before its next replies. */
  drain(): void {
    if (this.#stop !== undefined) this.#parts.feed.drain();
  }

  /** Whether any client of this worker tracks. */
  get isOn(): boolean {
    return this.#stop !== undefined;
  }

  /** Begins to track for a client, or changes how. Returns false if there is no room for a prefix. */
  enable(receiver: Receiver, mode: TrackingMode, prefixes: readonly string[]): boolean {
    const subscriber = (receiver.subscriber ??= new Subscriber());
    const state = (subscriber.tracking ??= new TrackingState());
    for (const prefix of mode.isBroadcast && prefixes.length === 0 ? [""] : prefixes) {
      if (state.prefixes.has(prefix)) continue;
      if (!this.#parts.budget.tryResize(0, PREFIX_BYTES + prefix.length)) return false;
      state.prefixes.add(prefix);
      this.#prefixes.add(prefix, receiver);
    }
    state.mode = mode;
    state.isBroken = false;
    if (!this.#receivers.has(receiver)) this.#parts.counters.add("trackingClients", 1);
    this.#receivers.add(receiver);
    this.#stop ??= this.#parts.feed.listen(this);
    this.#countPrefixes();
    return true;
  }

  /** Ends the tracking for a client. Its keys stay registered until they change, as in Redis. */
  disable(receiver: Receiver): void {
    const state = receiver.subscriber?.tracking;
    if (receiver.subscriber === undefined || state === undefined) return;
    for (const prefix of state.prefixes) {
      this.#prefixes.remove(prefix, receiver);
      this.#parts.budget.resize(PREFIX_BYTES + prefix.length, 0);
    }
    receiver.subscriber.tracking = undefined;
    if (this.#receivers.delete(receiver)) this.#parts.counters.add("trackingClients", -1);
    this.#countPrefixes();
    if (this.#receivers.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
    this.#keys.clear();
  }

  /** Registers a key that the client is about to read. `key` is as it is stored. O(1). */
  remember(receiver: Receiver, key: Bytes): void {
    const text = byteString(clientKey(key));
    for (let tries = 0; tries < FORGOTTEN_MAX; tries++) {
      if (this.#keys.add(text, receiver.id)) return this.#trim();
      if (!this.#forgetOldest()) break;
    }
    // There is no room: the client is told after the reply that its copy is no longer valid.
    this.#forget(text, [receiver.id]);
  }

  /** Sends what was held until the reply of a pending command. The reply is assigned to its connection. */
  release(receiver: Receiver): void {
    for (const keys of receiver.subscriber?.tracking?.held.take() ?? []) {
      this.#sendTo(receiver, keys, false);
    }
    this.#parts.deliveries.flush();
  }

  /** Forgets keys beyond tracking-table-max-keys, the oldest first, and tells their clients. */
  trim(): void {
    this.#trim();
  }

  changed(key: Bytes, origin: number): void {
    // Entries of a tag may have become invalid with the record of the tag.
    if (databaseOf(key) === INTERNAL) return this.everythingChanged();
    const text = byteString(clientKey(key));
    if (this.#prefixes.changed(text, origin)) this.#sendPrefixes();
    const ids = this.#keys.take(text);
    if (ids !== undefined) this.#invalidate(text, ids, origin);
  }

  everythingChanged(): void {
    this.#keys.clear();
    this.#prefixes.forgetChanges();
    for (const receiver of this.#receivers) this.#send(receiver, undefined);
  }

  shown(): void {
    this.#sendPrefixes();
    this.#parts.deliveries.flush();
  }

  /** Sends an invalidation of another worker to a client of this one. */
  deliver({ kind, number, first }: BroadcastRecord): void {
    if (kind !== INVALIDATE && kind !== INVALIDATE_ALL) return;
    const receiver = this.#parts.sink.sessionOf(number);
    if (receiver !== undefined) {
      this.#sendTo(receiver, kind === INVALIDATE ? first : undefined, true);
    }
  }

  #trim(): void {
    const { settings, counters } = this.#parts;
    const max = settings.trackingKeysMax;
    if (max === 0) return;
    for (let over = counters.sum("trackedKeys") - max; over > 0; over--) {
      if (!this.#forgetOldest()) return;
    }
  }

  #forgetOldest(): boolean {
    const { oldest } = this.#keys;
    const ids = oldest === undefined ? undefined : this.#keys.take(oldest);
    if (oldest === undefined || ids === undefined) return false;
    this.#forget(oldest, ids);
    return true;
  }

  /** Tells the clients of a forgotten key, after the running command. */
  #forget(key: string, ids: Iterable<number>): void {
    this.#forgotten.push({ key, ids });
    if (this.#forgotten.length > 1) return;
    setImmediate(() => {
      for (const { key: forgotten, ids: clients } of this.#forgotten.splice(0)) {
        this.#invalidate(forgotten, clients, 0);
      }
      this.#parts.deliveries.flush();
    });
  }

  #invalidate(key: string, ids: Iterable<number>, origin: number): void {
    const keys = this.#encode([key]);
    for (const id of ids) {
      const receiver = this.#parts.sink.sessionOf(id);
      const mode = receiver?.subscriber?.tracking?.mode;
      if (receiver === undefined || mode === undefined || mode.isBroadcast) continue;
      // The client may have read the key again since its own change, so it stays registered.
      if (mode.isNoLoop && origin === id) this.#keys.add(key, id);
      else this.#send(receiver, keys);
    }
  }

  #sendPrefixes(): void {
    this.#prefixes.take((prefix) => this.#sendPrefix(prefix));
  }

  #sendPrefix({ receivers, changed }: Prefix): void {
    for (const receiver of receivers) {
      const isNoLoop = receiver.subscriber?.tracking?.mode.isNoLoop === true;
      const keys = [...changed.keys()].filter(
        (key) => !isNoLoop || changed.get(key) !== receiver.id,
      );
      if (keys.length > 0) this.#send(receiver, this.#encode(keys));
    }
  }

  #encode(keys: readonly string[]): Bytes {
    this.#encoded.clear();
    appendKeys(this.#encoded, keys);
    return this.#encoded;
  }

  /** Sends an invalidation to the client, or to the client that it redirects to. Undefined: of all keys. */
  #send(receiver: Receiver, keys: Bytes | undefined): void {
    const { sink, clients, broadcast, thread } = this.#parts;
    const state = receiver.subscriber?.tracking;
    const redirect = state?.mode.redirect ?? 0;
    if (state === undefined) return;
    if (redirect === 0) {
      if (sink.isWaiting(receiver)) state.held.add(keys);
      else this.#sendTo(receiver, keys, false);
      return;
    }
    const own = sink.sessionOf(redirect);
    if (own !== undefined) return this.#sendTo(own, keys, true);
    const row = clients.rowOf(redirect);
    const isGone = row === NO_ROW || clients.isKilled(row) || clients.threadOf(row) === thread;
    if (isGone) return this.#breakRedirect(receiver, state, redirect);
    // Keys that do not fit a record are invalidated with all others.
    const fits = keys !== undefined && keys.end - keys.start <= broadcast.maxBytes;
    broadcast.write(fits ? INVALIDATE : INVALIDATE_ALL, redirect, fits ? keys : NO_KEYS);
    broadcast.wake(clients.threadOf(row));
  }

  #sendTo(receiver: Receiver, keys: Bytes | undefined, isRedirected: boolean): void {
    const canReceive = isRedirected && receiver.subscriber?.isSubscribed === true;
    if (receiver.version === 2 && !canReceive) return;
    this.#parts.deliveries.send([receiver], (into, version) =>
      appendInvalidation(into, version, keys),
    );
  }

  #breakRedirect(receiver: Receiver, state: TrackingState, redirect: number): void {
    state.isBroken = true;
    if (receiver.version === 2) return;
    this.#parts.deliveries.send([receiver], (into) => appendBrokenRedirect(into, redirect));
  }

  #countPrefixes(): void {
    const { counters } = this.#parts;
    counters.set("trackedPrefixes", this.#prefixes.size);
  }
}
