// The pulse of a worker: once a second, while it has work or hot keys, it tells the others how it does.

import type { Activity } from "../service/activity.ts";
import type { LoopLag } from "../service/event-loop-lag.ts";
import type { HotKeys } from "./hot-keys.ts";
import type { WorkerRows } from "./workers.ts";

const TICK_MS = 1000;

/** Writes the row of `thread` until that ends. `requests`: what it has answered since its start. */
export function startHeartbeat(
  rows: WorkerRows,
  thread: number,
  hotKeys: HotKeys,
  requests: () => number,
  { activity, lag }: { readonly activity: Activity; readonly lag: LoopLag },
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
    rows.write(thread, { load, requestsPerSecond, loopLagMs: lag.takeLongestMs() }, hotKeys);
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
