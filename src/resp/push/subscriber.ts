// What a client receives beside its replies. A connection has a Subscriber from its first subscription on.

import { CHANNEL, type NameKind, PATTERN, SHARD_CHANNEL } from "./registry.ts";

export class Subscriber {
  /** The names of each kind, as byte strings. */
  readonly names: Readonly<Record<NameKind, Set<string>>> = {
    [CHANNEL]: new Set(),
    [PATTERN]: new Set(),
    [SHARD_CHANNEL]: new Set(),
  };
  isMonitor = false;
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
