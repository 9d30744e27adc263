// The shared memory of the messages between workers.

import { allocateBroadcast, Broadcast } from "../../cache/broadcast.ts";
import type { Config } from "../../config/config.ts";
import { allocateBudget, recoverBudget } from "../../shared-memory/byte-budget.ts";
import { allocateMonitors, recoverMonitors } from "./monitors.ts";
import { allocateRegistry, recoverRegistry, type RegistryMemory } from "./registry.ts";

/** The part of --max-subscription-bytes for the rings of all workers. */
const RINGS_RATIO = 1 / 4;
const RING_BYTES_MIN = 2 ** 16;
const RING_BYTES_MAX = 2 ** 22;

export interface PushMemory {
  /** Messages on their way between the workers. */
  readonly messages: SharedArrayBuffer;
  readonly registry: RegistryMemory;
  readonly monitors: SharedArrayBuffer;
  /** The budget of subscriptions and tracked keys. */
  readonly budget: SharedArrayBuffer;
}

export function allocatePush({ workers, maxSubscriptionBytes }: Config): PushMemory {
  const share = (maxSubscriptionBytes * RINGS_RATIO) / workers;
  const ringBytes = 2 ** Math.floor(Math.log2(share));
  return {
    messages: allocateBroadcast(
      workers,
      Math.min(RING_BYTES_MAX, Math.max(RING_BYTES_MIN, ringBytes)),
    ),
    registry: allocateRegistry(workers, Math.min(2 ** 30, maxSubscriptionBytes)),
    monitors: allocateMonitors(workers),
    budget: allocateBudget(workers),
  };
}

/** The bytes of all subscriptions and tracked keys. */
export function subscriptionLimit({ maxSubscriptionBytes }: Config): number {
  return maxSubscriptionBytes * (1 - RINGS_RATIO);
}

/** Removes what a worker that has ended had subscribed to. `byThread` is the number of the calling thread. */
export function recoverPush(memory: PushMemory, thread: number, byThread: number): void {
  new Broadcast(memory.messages, thread).recoverThread(thread);
  recoverRegistry(memory.registry, thread, byThread);
  recoverMonitors(memory.monitors, thread);
  recoverBudget(memory.budget, thread);
}
