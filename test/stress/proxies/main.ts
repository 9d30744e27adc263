// Prints what came of error responses behind nginx and HAProxy. Run by `bun run stress proxies`.

import Table from "cli-table3";

import { isInstalled } from "./proxies.ts";
import { PROXIES, runRejections } from "./rejections.ts";

const TIMES = 100;
const SIZES = [10_000, 1_000_000, 5_000_000];

for (const proxy of PROXIES) {
  if (!isInstalled(proxy)) console.log(`${proxy.name} is not installed: skipped`);
}
const table = new Table({
  head: ["proxy", "rejection", "bytes of body", "expected", "received"],
  style: { head: [], border: [], compact: true },
});
let hasFailed = false;
for (const { proxy, rejection, bodyBytes, statuses, expected } of await runRejections(
  TIMES,
  SIZES,
)) {
  const received = Object.entries(statuses).map(([status, count]) => `${count} × ${status}`);
  table.push([proxy, rejection, bodyBytes, expected, received.join(", ")]);
  hasFailed ||= statuses[`${expected}`] !== TIMES;
}
console.log(table.toString());
process.exitCode = hasFailed ? 1 : 0;
