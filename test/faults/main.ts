// `bun run test:faults [KILLS]`: workers killed under load, a hundred times by default.

import { runFaults } from "./faults.ts";

const kills = Number(Bun.argv[2] ?? 100);
if (!(Number.isInteger(kills) && kills > 0)) {
  process.stderr.write(`test:faults: "${Bun.argv[2]}" is not a positive whole number of kills\n`);
  process.exit(64);
}
const report = await runFaults(kills);
console.log(report);
const { failedOnOthers, failedWithWorker, unansweredGets, lostThreads, slowestRestartMs } = report;
const addUp = unansweredGets >= 0 && unansweredGets <= failedWithWorker && lostThreads === kills;
const holds = failedOnOthers === 0 && addUp && slowestRestartMs < 1000;
console.log(holds ? "no request failed elsewhere, the counters add up" : "FAILED");
process.exit(holds ? 0 : 1);
