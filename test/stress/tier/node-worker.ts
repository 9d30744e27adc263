// A worker with the rules of TIER_TEST_RULES.

import { parentPort, workerData } from "node:worker_threads";

import type { WorkerStart } from "../../../src/process/messages.ts";
import { serve } from "../../../src/process/serve.ts";
import { applyRules } from "./rules.ts";

applyRules();
if (parentPort !== null) await serve(workerData as WorkerStart, parentPort);
