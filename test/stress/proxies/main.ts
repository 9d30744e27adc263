// Refusals behind nginx and HAProxy as a table. Run by `bun run test:proxies`.

import Table from "cli-table3";

import { missingProxies, runProxies } from "./proxies.ts";

const TIMES = 100;
const SIZES = [10_000, 1_000_000, 5_000_000];

for (const name of missingProxies()) console.log(`${name} is not installed: skipped`);
const table = new Table({
  head: ["proxy", "refusal", "bytes of body", "expected", "came"],
  style: { head: [], border: [], compact: true },
});
let hasFailed = false;
for (const { proxy, refusal, bodyBytes, statuses, expected } of await runProxies(TIMES, SIZES)) {
  const came = Object.entries(statuses).map(([status, count]) => `${count} × ${status}`);
  table.push([proxy, refusal, bodyBytes, expected, came.join(", ")]);
  hasFailed ||= statuses[`${expected}`] !== TIMES;
}
console.log(table.toString());
process.exitCode = hasFailed ? 1 : 0;
