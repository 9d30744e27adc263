// The entry of a worker thread, which supervisor.ts starts.

import { parentPort, workerData } from "node:worker_threads";

import type { WorkerStart } from "./messages.ts";
import { serve } from "./serve.ts";

if (parentPort !== null) await serve(workerData as WorkerStart, parentPort);
