// The pulse of a worker: once a second it tells the others how it does.

import type { HotKeys } from "./hot-keys.ts";
import type { WorkerRows } from "./workers.ts";

const TICK_MS = 1000;
/** The event loop is looked at so often: what delays it longer is seen. */
const LOOK_MS = 50;

/** Writes the row of `thread` until that ends. `requests`: what it has answered since its start. */
export function startPulse(
  rows: WorkerRows,
  thread: number,
  hotKeys: HotKeys,
  requests: () => number,
): void {
  let lookedMs = performance.now();
  let loopLagMs = 0;
  setInterval(() => {
    const nowMs = performance.now();
    loopLagMs = Math.max(loopLagMs, nowMs - lookedMs - LOOK_MS);
    lookedMs = nowMs;
  }, LOOK_MS);
  let tickedMs = lookedMs;
  let counted = requests();
  let cpuMicros = threadCpuMicros();
  setInterval(() => {
    const nowMs = performance.now();
    const count = requests();
    const micros = threadCpuMicros();
    const elapsedMs = nowMs - tickedMs;
    const load = Math.min(1, (micros - cpuMicros) / 1000 / elapsedMs);
    const requestsPerSecond = ((count - counted) * 1000) / elapsedMs;
    rows.write(thread, { load, requestsPerSecond, loopLagMs }, hotKeys);
    hotKeys.tick();
    tickedMs = nowMs;
    counted = count;
    cpuMicros = micros;
    loopLagMs = 0;
  }, TICK_MS);
}

function threadCpuMicros(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
