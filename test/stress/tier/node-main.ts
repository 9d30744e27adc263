// The service with the rules of TIER_TEST_RULES, in all of its threads.

import { runService } from "../../../src/process/service-process.ts";
import { applyRules } from "./rules.ts";

applyRules();
// The first two arguments are the command in whose place this one runs.
await runService(Bun.argv.slice(4), process.env, new URL("node-worker.ts", import.meta.url));
