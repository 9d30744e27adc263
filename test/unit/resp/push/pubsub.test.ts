// Messages between the workers, with the delivery of each worker in the hands of the test.

import { expect, test } from "bun:test";

import { Broadcast } from "../../../../src/cache/broadcast.ts";
import { ByteBuffer } from "../../../../src/cache/cache.ts";
import { readConfig } from "../../../../src/config/config.ts";
import { Deliveries, type PushSink } from "../../../../src/resp/push/deliveries.ts";
import { allocatePush, subscriptionLimit } from "../../../../src/resp/push/memory.ts";
import { Newcomers } from "../../../../src/resp/push/newcomers.ts";
import { PubSub } from "../../../../src/resp/push/pubsub.ts";
import { CHANNEL, PATTERN, Registry, SHARD_CHANNEL } from "../../../../src/resp/push/registry.ts";
import type { Receiver } from "../../../../src/resp/push/subscriber.ts";
import { ByteBudget } from "../../../../src/shared-memory/byte-budget.ts";

const name = (text: string) => ByteBuffer.ofText(text);

/** A worker that delivers messages only when the test says so. */
function worker(memory: ReturnType<typeof allocatePush>, thread: number, limitBytes: number) {
  const received = new Map<number, string>();
  const sink: PushSink = {
    canReceive: () => true,
    sessionOf: () => undefined,
    isWaiting: () => false,
    flush: () => {},
    push({ id }, bytes, start, end) {
      received.set(id, `${received.get(id) ?? ""}${bytes.toString("latin1", start, end)}`);
    },
    closeSlow: () => {},
  };
  const broadcast = new Broadcast(memory.messages, thread);
  const deliveries = new Deliveries(sink);
  const registry = new Registry(memory.registry, thread);
  const budget = new ByteBudget(memory.budget, thread, limitBytes);
  const newcomers = new Newcomers(broadcast);
  const pubsub = new PubSub({ registry, broadcast, budget, deliveries, newcomers, sink });
  const stop = broadcast.listen({
    news: () => {},
    read: (record) => pubsub.deliver(record),
    lost: () => pubsub.lost(),
  });
  const deliver = (): void => {
    broadcast.drain();
    newcomers.forget();
    deliveries.flush();
  };
  /** Returns the texts of the messages for this client. */
  const texts = (id: number) =>
    [...(received.get(id) ?? "").matchAll(/message\r\n.*?(\w+)!/gs)].map(([, text]) => text);
  return { pubsub, deliver, texts, stop };
}

function workers() {
  const config = readConfig(["--workers", "2"], {});
  const memory = allocatePush(config);
  return [0, 1].map((thread) => worker(memory, thread, subscriptionLimit(config)));
}

function client(id: number): Receiver {
  return { id, version: 2, subscriber: undefined };
}

for (const [kind, topic] of [
  [CHANNEL, "news"],
  [PATTERN, "n*"],
  [SHARD_CHANNEL, "news"],
] as const) {
  for (const publisher of [0, 1]) {
    test(`a subscription of kind ${kind} gets no older message of worker ${publisher}`, () => {
      const all = workers();
      const from = all[publisher] as (typeof all)[0];
      const to = all[1] as (typeof all)[0];
      const publish = (text: string) =>
        from.pubsub.publish(kind === PATTERN ? CHANNEL : kind, name("news"), name(text));
      const [early, late, returned] = [client(1), client(2), client(3)] as const;
      to.pubsub.subscribe(early, kind, name(topic));
      to.pubsub.subscribe(returned, kind, name(topic));
      expect(publish("first!")).toBe(2);
      to.pubsub.subscribe(late, kind, name(topic));
      to.pubsub.unsubscribe(returned, kind, topic);
      to.pubsub.subscribe(returned, kind, name(topic));
      expect(publish("second!")).toBe(3);
      to.deliver();
      expect(publish("third!")).toBe(3);
      to.deliver();
      expect(to.texts(1)).toEqual(["first", "second", "third"]);
      expect(to.texts(2)).toEqual(["second", "third"]);
      expect(to.texts(3)).toEqual(["second", "third"]);
      for (const { stop } of all) stop();
    });
  }
}
