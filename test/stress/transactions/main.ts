// `bun run stress transactions`: concurrent transactions and scripts on two workers, and the check that
// they are linearizable. The control sends the same commands without MULTI and EXEC and must fail.

import { optionsOrExit } from "../../../bench/lib/options.ts";
import { freePort, startService } from "../../lib/service.ts";
import { random } from "../../lib/random.ts";
import { recordSteps, whyWrong } from "./steps.ts";

const count = (help: string, initial: number) => {
  return { kind: "integer", default: initial, min: 1, max: 10_000_000, help } as const;
};
const { workers, clients, steps, keys } = optionsOrExit("stress transactions", {
  workers: count("threads of the service", 2),
  clients: count("clients, one connection each", 16),
  steps: count("steps of each client, of one to seven commands", 20_000),
  keys: count("keys of each of two kinds", 4),
} as const);

const seeded = random();
const port = freePort();
await using _service = await startService(["--workers", `${workers}`, "--resp-port", `${port}`]);
const { steps: history, aborted } = await recordSteps({ port, clients, steps, keys }, seeded);
const wrong = whyWrong(history);
console.log(`${history.length} steps, ${aborted} stopped by WATCH: ${wrong ?? "linearizable"}`);
const broken = { port, clients, steps: Math.ceil(steps / 20), keys, isBroken: true };
const control = whyWrong((await recordSteps(broken, seeded)).steps);
console.log(`the control without MULTI: ${control ?? "linearizable, so the check finds nothing"}`);
process.exitCode = wrong === undefined && control !== undefined ? 0 : 1;
