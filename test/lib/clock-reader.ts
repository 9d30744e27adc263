// A thread that reads the clock while another thread sets the system's clock.

import { workerData } from "node:worker_threads";

import { Clock } from "../../src/cache/clock.ts";

const { clock: memory, shared } = workerData as {
  readonly clock: SharedArrayBuffer;
  readonly shared: SharedArrayBuffer;
};
const numbers = new Int32Array(shared);
const clock = new Clock(memory, {
  systemMs: () => Date.now() + Atomics.load(numbers, 0),
  monotonicMs: () => performance.now(),
  uptimeMs: () => undefined,
});
let before = clock.now();
for (let n = 0; n < 10_000; n++) {
  void clock.offsetMs;
  const now = clock.now();
  const leap = Math.abs(now - before);
  before = now;
  for (let max = Atomics.load(numbers, 2); leap > max; max = Atomics.load(numbers, 2)) {
    Atomics.compareExchange(numbers, 2, max, leap);
  }
  Atomics.add(numbers, 1, 1);
}
