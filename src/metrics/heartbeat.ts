// The heartbeat of a worker: once a second it publishes its load, its event-loop lag and its hot
// keys. It stops while the worker has neither requests nor hot keys.

import type { Activity } from "../service/activity.ts";
import type { EventLoopMonitor } from "../service/event-loop-monitor.ts";
import type { HotKeys } from "./hot-keys.ts";
import type { WorkerRows } from "./workers.ts";

const TICK_MS = 1000;

/**
 * Publishes the row of `thread` until that thread ends. `requests` returns the number of requests
 * that the thread has served since its start.
 */
export function startHeartbeat(
  rows: WorkerRows,
  thread: number,
  hotKeys: HotKeys,
  requests: () => number,
  { activity, lag }: { readonly activity: Activity; readonly lag: EventLoopMonitor },
): void {
  let tickedMs = 0;
  let counted = 0;
  let cpuMicros = 0;
  const begin = (): void => {
    tickedMs = performance.now();
    counted = requests();
    cpuMicros = threadCpuMicros();
  };
  const tick = (): boolean => {
    const elapsedMs = performance.now() - tickedMs;
    const load = Math.min(1, (threadCpuMicros() - cpuMicros) / 1000 / elapsedMs);
    const requestsPerSecond = ((requests() - counted) * 1000) / elapsedMs;
    rows.publish(thread, { load, requestsPerSecond, loopLagMs: lag.takeLongestMs() }, hotKeys);
    hotKeys.tick();
    begin();
    return requestsPerSecond > 0 || hotKeys.sampled >= 1;
  };
  activity.every(TICK_MS, tick, begin);
}

function threadCpuMicros(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
