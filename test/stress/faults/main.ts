// `bun run stress faults`: workers killed under load, one after another.

import { optionsOrExit } from "../../../bench/lib/options.ts";
import { runFaults } from "./faults.ts";

const { kills } = optionsOrExit("stress faults", {
  kills: { kind: "integer", default: 100, min: 1, max: 100_000, help: "workers to kill" },
} as const);
const report = await runFaults(kills);
console.log({ ...report, slowestRestartMs: Math.round(report.slowestRestartMs) });
const { failedOnOthers, failedWithWorker, unansweredGets, lostThreads, slowestRestartMs } = report;
const addUp = unansweredGets >= 0 && unansweredGets <= failedWithWorker && lostThreads === kills;
const holds = failedOnOthers === 0 && addUp && slowestRestartMs < 1000;
console.log(holds ? "no request failed elsewhere, the counters add up" : "FAILED");
process.exit(holds ? 0 : 1);
