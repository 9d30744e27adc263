// `bun run test:threads [SECONDS]`: the hammer for a minute, and its control.

import { hammer } from "./hammer.ts";

const THREADS = 4;
const seconds = Number(Bun.argv[2] ?? 60);
if (!(seconds > 0)) {
  process.stderr.write(`test:threads: "${Bun.argv[2]}" is not a positive number of seconds\n`);
  process.exit(64);
}

const locked = await hammer({ threads: THREADS, seconds, isLocked: true });
console.log(`with the lock, ${THREADS} threads, ${seconds} s:`, locked);
const control = await hammer({ threads: THREADS, seconds: Math.min(seconds, 5), isLocked: false });
console.log("control without the lock:", control);

const { torn, lostUpdates, missingEntries, unaccountedBytes } = locked;
const holds = [torn, lostUpdates, missingEntries, unaccountedBytes].every((figure) => figure === 0);
const controlFails = control.torn > 0 && control.lostUpdates !== 0;
console.log(holds ? "nothing torn, nothing lost" : "FAILED: torn or lost with the lock");
console.log(controlFails ? "the control tears and loses" : "FAILED: the control noticed nothing");
process.exit(holds && controlFails ? 0 : 1);
