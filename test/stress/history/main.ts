// `bun run stress history`: starts the service, lets clients loose on few keys, writes what
// they saw as JSON lines on standard output, and says on standard error whether it
// is linearizable. Then the same for leases and tags, on both ports.

import { optionsOrExit } from "../../../bench/lib/options.ts";
import { startService } from "../../../bench/lib/server.ts";
import { freePort, startService as startBoth } from "../../lib/service.ts";
import { firstWrongKey, firstWrongKeyOf } from "./check.ts";
import { applyToLeases, recordLeases } from "./leases.ts";
import { recordHistory } from "./record.ts";

const count = (help: string, initial: number) => {
  return { kind: "integer", default: initial, min: 1, max: 1_000_000, help } as const;
};
const { workers, clients, operations, keys } = optionsOrExit("stress history", {
  workers: count("threads of the service", 2),
  clients: count("clients, one connection each", 8),
  operations: count("operations of each client", 5000),
  keys: count("keys they share", 4),
} as const);

await using service = await startService(undefined, "--workers", `${workers}`);
const history = await recordHistory({ url: service.url, clients, operations, keys });
// The reader of the lines may close the pipe early.
process.stdout.on("error", () => {});
process.stdout.write(history.map((operation) => `${JSON.stringify(operation)}\n`).join(""));
const wrong = firstWrongKey(history);
const verdict = wrong === undefined ? "linearizable" : `NOT linearizable: see key ${wrong}`;
process.stderr.write(`${history.length} operations of ${clients} clients: ${verdict}\n`);
const redisPort = freePort();
await using leased = await startBoth(["--workers", `${workers}`, "--resp-port", `${redisPort}`]);
const options = { url: leased.url, redisPort, clients, operations, keys, isNaive: false };
const leases = await recordLeases(options);
const wrongLease = firstWrongKeyOf(leases, applyToLeases);
const leaseVerdict =
  wrongLease === undefined ? "linearizable" : `NOT linearizable: see key ${wrongLease}`;
process.stderr.write(`${leases.length} operations with leases and tags: ${leaseVerdict}\n`);
process.exitCode = wrong === undefined && wrongLease === undefined ? 0 : 1;
