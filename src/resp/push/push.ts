// Messages that a worker pushes to its clients outside of their own commands. Records of all workers
// arrive in the ring of messages and go to the part that they belong to.

import { Broadcast, type BroadcastRecord } from "../../cache/broadcast.ts";
import type { Config } from "../../config/config.ts";
import { ByteBudget } from "../../shared-memory/byte-budget.ts";
import { Deliveries, type PushSink } from "./deliveries.ts";
import { type PushMemory, subscriptionLimit } from "./memory.ts";
import { Monitors } from "./monitors.ts";
import { Newcomers } from "./newcomers.ts";
import { PubSub } from "./pubsub.ts";
import { Registry } from "./registry.ts";
import type { Receiver } from "./subscriber.ts";
import { Tracking, type TrackingParts } from "./tracking.ts";

/** Interval of the check for room for a message, which other workers make. */
const ROOM_CHECK_EVERY_MS = 1;

/** The parts of the worker that messages need. */
export type PushParts = Pick<TrackingParts, "sink" | "feed" | "clients" | "settings" | "counters">;

export class Push {
  readonly registry: Registry;
  readonly pubsub: PubSub;
  readonly tracking: Tracking;
  readonly monitors: Monitors;
  /** Ends the delivery of messages. */
  readonly stop: () => void;
  readonly #broadcast: Broadcast;
  readonly #deliveries: Deliveries;
  readonly #newcomers: Newcomers;
  readonly #sink: PushSink;
  #willDrain = false;

  constructor(memory: PushMemory, config: Config, thread: number, { sink, ...parts }: PushParts) {
    this.#sink = sink;
    this.registry = new Registry(memory.registry, thread);
    this.#broadcast = new Broadcast(memory.messages, thread);
    this.#deliveries = new Deliveries(sink);
    this.#newcomers = new Newcomers(this.#broadcast);
    const shared = {
      broadcast: this.#broadcast,
      budget: new ByteBudget(memory.budget, thread, subscriptionLimit(config)),
      deliveries: this.#deliveries,
      newcomers: this.#newcomers,
      ...{ sink, thread },
    };
    this.pubsub = new PubSub({ ...shared, registry: this.registry });
    this.monitors = new Monitors(memory.monitors, shared);
    this.tracking = new Tracking({ ...shared, ...parts });
    this.stop = this.#broadcast.listen({
      news: () => this.#drainSoon(),
      read: (record) => this.#read(record),
      lost: () => this.#lost(),
    });
  }

  /** Whether messages can be pushed to the session: it belongs to a connection. */
  canReceive(session: Receiver): boolean {
    return this.#sink.canReceive(session);
  }

  /** Resolves once a message of `bytes` can be published without loss, or `isGone` returns true. */
  async roomFor(bytes: number, isGone: () => boolean): Promise<void> {
    // This worker may be the slowest: it reads its own messages before the next turn.
    await new Promise((resolve) => setImmediate(resolve));
    while (!isGone() && !this.pubsub.hasRoom(bytes)) await Bun.sleep(ROOM_CHECK_EVERY_MS);
  }

  /** Forgets a session that has ended, or that begins anew. */
  forget(session: Receiver): void {
    if (session.subscriber === undefined) return;
    this.pubsub.forget(session);
    this.tracking.disable(session);
    this.monitors.remove(session);
    session.subscriber = undefined;
  }

  #read(record: BroadcastRecord): void {
    this.pubsub.deliver(record);
    this.tracking.deliver(record);
    this.monitors.deliver(record);
  }

  #lost(): void {
    this.pubsub.lost();
    this.monitors.lost();
  }

  /** Sends the messages of all workers that have arrived, after all readable connections have been read. */
  #drainSoon(): void {
    if (this.#willDrain) return;
    this.#willDrain = true;
    setImmediate(() => {
      this.#willDrain = false;
      this.#broadcast.drain();
      this.#newcomers.forget();
      this.monitors.closeIfDropped();
      this.#deliveries.flush();
    });
  }
}
