// A worker with the rules of TIER_TEST_RULES.

import { serve } from "../../../src/process/serve.ts";
import { whenStarted } from "../../../src/process/worker-port.ts";
import { applyRules } from "./rules.ts";

applyRules();
whenStarted(serve);
