// What a client receives beside its replies. A connection has a Subscriber from its first subscription on.

import type { Bytes } from "../../cache/cache.ts";
import { CHANNEL, type NameKind, PATTERN, SHARD_CHANNEL } from "./registry.ts";

/** How the service tracks keys for a client: the options of CLIENT TRACKING. */
export interface TrackingMode {
  readonly isBroadcast: boolean;
  readonly isOptIn: boolean;
  readonly isOptOut: boolean;
  readonly isNoLoop: boolean;
  /** The number of the client that gets the invalidations; 0: the client itself. */
  readonly redirect: number;
}

const NO_MODE: TrackingMode = {
  isBroadcast: false,
  isOptIn: false,
  isOptOut: false,
  isNoLoop: false,
  redirect: 0,
};

/** Most bytes of held invalidations, which belong to the cost of a connection; beyond them all keys are invalidated. */
const HELD_BYTES_MAX = 2 ** 12;
/** Bytes of an invalidation beside its keys. */
const HELD_BYTES = 128;

/** Invalidations of a client that come after the reply of its pending command, which may contain an older value. */
export class HeldInvalidations {
  #keys: Buffer[] = [];
  #bytes = 0;
  #isAll = false;

  /** Adds an array of keys as the protocol has it; undefined: all keys. */
  add(keys: Bytes | undefined): void {
    this.#bytes += keys === undefined ? 0 : HELD_BYTES + keys.end - keys.start;
    this.#isAll ||= keys === undefined || this.#bytes > HELD_BYTES_MAX;
    if (this.#isAll || keys === undefined) this.#keys = [];
    else this.#keys.push(Buffer.from(keys.bytes.subarray(keys.start, keys.end)));
  }

  /** Returns the invalidations, and forgets them. */
  take(): (Bytes | undefined)[] {
    const keys = this.#isAll
      ? [undefined]
      : this.#keys.map((bytes) => ({ bytes, start: 0, end: bytes.length }));
    this.#keys = [];
    this.#bytes = 0;
    this.#isAll = false;
    return keys;
  }
}

export class TrackingState {
  mode = NO_MODE;
  readonly prefixes = new Set<string>();
  /** Whether CLIENT CACHING was sent for the next command or transaction. */
  isCaching = false;
  /** Invalidations that come after the reply of a command that is pending. */
  readonly held = new HeldInvalidations();
  /** The keys that the running script names; empty once they are registered. */
  scriptKeys: Bytes[] = [];
  /** Whether the client that invalidations are redirected to is gone. */
  isBroken = false;

  /** Whether the keys of the next read are registered. */
  get remembers(): boolean {
    const { isBroadcast, isOptIn, isOptOut } = this.mode;
    if (isBroadcast) return false;
    return isOptIn ? this.isCaching : !(isOptOut && this.isCaching);
  }
}

export class Subscriber {
  /** The names of each kind, as byte strings. */
  readonly names: Readonly<Record<NameKind, Set<string>>> = {
    [CHANNEL]: new Set(),
    [PATTERN]: new Set(),
    [SHARD_CHANNEL]: new Set(),
  };
  isMonitor = false;
  /** Undefined while the service does not track keys for this client. */
  tracking: TrackingState | undefined;
  /** The parts of the frames that wait for this client: start and end of each. */
  readonly parts: number[] = [];

  /** The number of channels and patterns, as replies to SUBSCRIBE count them. */
  get channels(): number {
    return this.names[CHANNEL].size + this.names[PATTERN].size;
  }

  /** As `channels` for SSUBSCRIBE. */
  get shardChannels(): number {
    return this.names[SHARD_CHANNEL].size;
  }

  get isSubscribed(): boolean {
    return this.channels + this.shardChannels > 0;
  }
}

/** A client, as the parts that push messages see it. */
export interface Receiver {
  readonly id: number;
  version: 2 | 3;
  /** Undefined until the client subscribes to something. */
  subscriber: Subscriber | undefined;
}

/** Whether the client may run only the commands of a subscriber: version 2 has no frame for messages. */
export function isRestricted({ subscriber, version }: Receiver): boolean {
  return subscriber !== undefined && version === 2 && subscriber.isSubscribed;
}
