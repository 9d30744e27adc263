// Publish and subscribe between the clients of all workers.
//
//   PUBLISH → registry: receivers of each worker → ring of this worker → each worker with receivers
//           → its own subscribers: one write for each
//
// The messages of one client arrive in their order. The registry counts the receivers when the message is
// published. Messages to the publisher's own worker take the same way, so a message never arrives inside
// another reply. A client does not get messages that are older than its subscription.

import { ByteBuffer, type Bytes } from "../../cache/cache.ts";
import type { Broadcast, BroadcastRecord } from "../../cache/broadcast.ts";
import { Pattern } from "../../cache/glob.ts";
import type { ByteBudget } from "../../shared-memory/byte-budget.ts";
import type { Deliveries, PushSink } from "./deliveries.ts";
import { appendMessage } from "./frames.ts";
import type { Newcomers } from "./newcomers.ts";
import { CHANNEL, type NameKind, PATTERN, type Registry, SHARD_CHANNEL } from "./registry.ts";
import { type Receiver, Subscriber } from "./subscriber.ts";

/** Bytes of a subscription beside its name: 490 measured with 300,000 channels of one client. */
const SUBSCRIPTION_BYTES = 500;

interface Subscribers {
  readonly sessions: Set<Receiver>;
  /** Only of a pattern. */
  readonly pattern: Pattern | undefined;
  readonly name: Bytes;
}

/** The parts of a worker that messages need. */
export interface PubSubParts {
  readonly registry: Registry;
  readonly broadcast: Broadcast;
  readonly budget: ByteBudget;
  readonly deliveries: Deliveries;
  readonly newcomers: Newcomers;
  readonly sink: PushSink;
}

export class PubSub {
  readonly #parts: PubSubParts;
  /** The subscribers of this worker, by kind and name. */
  readonly #names: Readonly<Record<NameKind, Map<string, Subscribers>>> = {
    [CHANNEL]: new Map(),
    [PATTERN]: new Map(),
    [SHARD_CHANNEL]: new Map(),
  };
  readonly #targets: number[] = [];

  constructor(parts: PubSubParts) {
    this.#parts = parts;
  }

  /** Bytes of the longest message with its channel. */
  get maxBytes(): number {
    return this.#parts.broadcast.maxBytes;
  }

  /** Adds a subscription; returns false if there is no room for it. Throws RangeError for a pattern that is too long. */
  subscribe(session: Receiver, kind: NameKind, name: Bytes): boolean {
    const text = byteString(name);
    const subscriber = (session.subscriber ??= new Subscriber());
    const names = subscriber.names[kind];
    if (names.has(text)) return true;
    const { registry, budget, newcomers } = this.#parts;
    const known = this.#names[kind].get(text) ?? newSubscribers(kind, text);
    const ends = newcomers.ends();
    const bytes = this.#costOf(text, known);
    if (!budget.tryResize(0, bytes)) return false;
    if (!registry.set(kind, name, known.sessions.size + 1)) {
      budget.resize(bytes, 0);
      return false;
    }
    this.#names[kind].set(text, known);
    known.sessions.add(session);
    names.add(text);
    newcomers.add(known.sessions, session, ends);
    return true;
  }

  /** Removes a subscription, if there is one. O(1). */
  unsubscribe(session: Receiver, kind: NameKind, text: string): void {
    const known = this.#names[kind].get(text);
    if (known === undefined || !session.subscriber?.names[kind].delete(text)) return;
    known.sessions.delete(session);
    this.#parts.registry.set(kind, known.name, known.sessions.size);
    this.#parts.budget.resize(this.#costOf(text, known), 0);
    if (known.sessions.size === 0) this.#names[kind].delete(text);
  }

  /** Removes all subscriptions of a session. */
  forget(session: Receiver): void {
    for (const kind of [CHANNEL, PATTERN, SHARD_CHANNEL] as const) {
      for (const text of session.subscriber?.names[kind] ?? []) {
        this.unsubscribe(session, kind, text);
      }
    }
  }

  /** Returns whether a message of `bytes` with its channel can be published without loss. */
  hasRoom(bytes: number): boolean {
    const { broadcast } = this.#parts;
    if (broadcast.hasRoom(bytes)) return true;
    broadcast.wakeAll();
    return false;
  }

  /**
   * Publishes a message of at most `maxBytes` with its channel. Returns the number of its receivers. If
   * there is no room, workers that are too slow lose messages, and close their subscribers. O(threads + patterns).
   */
  publish(kind: typeof CHANNEL | typeof SHARD_CHANNEL, channel: Bytes, message: Bytes): number {
    const { registry, broadcast } = this.#parts;
    const targets = this.#targets;
    targets.length = 0;
    let receivers = 0;
    for (let thread = 0; thread < registry.threads; thread++) {
      let count = registry.count(thread, kind, channel);
      if (kind === CHANNEL) count += registry.countMatching(thread, channel);
      if (count > 0) targets.push(thread);
      receivers += count;
    }
    if (receivers === 0) return 0;
    broadcast.write(kind, 0, channel, message);
    for (const thread of targets) broadcast.wake(thread);
    return receivers;
  }

  /** Sends a message to the subscribers of this worker. O(subscribers + patterns). */
  deliver({ kind, first: channel, second: message }: BroadcastRecord): void {
    if (kind !== CHANNEL && kind !== SHARD_CHANNEL) return;
    const { deliveries, newcomers } = this.#parts;
    const subscribers = this.#names[kind].get(byteString(channel));
    if (subscribers !== undefined) {
      deliveries.send(newcomers.without(subscribers.sessions), (into, version) =>
        appendMessage(into, version, kind, [channel, message]),
      );
    }
    if (kind === SHARD_CHANNEL) return;
    for (const { pattern, name, sessions } of this.#names[PATTERN].values()) {
      if (!pattern?.matches(channel)) continue;
      deliveries.send(newcomers.without(sessions), (into, version) =>
        appendMessage(into, version, PATTERN, [name, channel, message]),
      );
    }
  }

  /** Closes the subscribers of this worker, which has lost messages. */
  lost(): void {
    const sessions = new Set<Receiver>();
    for (const names of Object.values(this.#names)) {
      for (const subscribers of names.values()) {
        for (const session of subscribers.sessions) sessions.add(session);
      }
    }
    for (const session of sessions) this.#parts.sink.closeSlow(session);
  }

  /** A pattern is compiled once in each thread. */
  #costOf(text: string, { pattern }: Subscribers): number {
    const compiled = (pattern?.compiledBytes ?? 0) * (this.#parts.registry.threads + 1);
    return SUBSCRIPTION_BYTES + 3 * text.length + compiled;
  }
}

function newSubscribers(kind: NameKind, text: string): Subscribers {
  const name = new ByteBuffer(text.length);
  name.appendByteString(text);
  return {
    sessions: new Set(),
    pattern: kind === PATTERN ? new Pattern(name) : undefined,
    name,
  };
}

export function byteString({ bytes, start, end }: Bytes): string {
  return bytes.toString("latin1", start, end);
}
