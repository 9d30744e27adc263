// `bun run stress threads`: the hammer for a minute, and its control.

import { optionsOrExit } from "../../../bench/lib/options.ts";
import { hammer } from "./hammer.ts";

const THREADS = 4;
const { seconds } = optionsOrExit("stress threads", {
  seconds: { kind: "number", default: 60, min: 0.1, max: 86_400, help: "time with the lock" },
} as const);

const locked = await hammer({ threads: THREADS, seconds, operations: 0, isLocked: true });
console.log(`with the lock, ${THREADS} threads, ${seconds} s:`, locked);
const control = await hammer({
  ...{ threads: THREADS, seconds: Math.min(seconds, 5), operations: 0, isLocked: false },
});
console.log("control without the lock, where figures must be wrong:", control);

const { torn, lostUpdates, missingEntries, unaccountedBytes } = locked;
const holds = [torn, lostUpdates, missingEntries, unaccountedBytes].every((figure) => figure === 0);
const controlFails = control.broken > 0 || (control.torn > 0 && control.lostUpdates !== 0);
console.log(holds ? "nothing torn, nothing lost" : "FAILED: torn or lost with the lock");
console.log(
  controlFails ? "the control tears and loses, or breaks" : "FAILED: the control noticed nothing",
);
process.exit(holds && controlFails ? 0 : 1);
