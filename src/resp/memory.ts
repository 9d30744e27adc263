// The shared memory of the Redis port.

import type { Config } from "../config/config.ts";
import { allocateHistogram } from "../shared-memory/histogram.ts";
import { allocateClients } from "./clients.ts";
import { allocateSettings } from "./config-parameters.ts";
import { allocateRespCounters, COMMANDS_MAX } from "./counters.ts";
import { allocatePush, type PushMemory, recoverPush } from "./push/memory.ts";
import { allocateRunningScripts, recoverRunningScript } from "./scripting/running-scripts.ts";
import { allocateScripts, recoverScripts } from "./scripting/script-cache.ts";

/** The memory that the workers share beside the cache: plain data that can be sent to a worker. */
export interface RespMemory {
  readonly settings: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly clients: SharedArrayBuffer;
  readonly durations: SharedArrayBuffer;
  readonly push: PushMemory;
  readonly scripts: SharedArrayBuffer;
  readonly runningScripts: SharedArrayBuffer;
}

/** Returns the memory for the Redis ports of `threads` threads. */
export function allocateResp(config: Config, threads: number): RespMemory {
  return {
    settings: allocateSettings(config),
    counters: allocateRespCounters(threads),
    clients: allocateClients(threads),
    durations: allocateHistogram(threads, COMMANDS_MAX),
    push: allocatePush(config),
    scripts: allocateScripts(),
    runningScripts: allocateRunningScripts(threads),
  };
}

/** Frees what a worker that has ended held. `byThread` is the number of the calling thread. */
export function recoverResp(memory: RespMemory, thread: number, byThread: number): void {
  recoverPush(memory.push, thread, byThread);
  recoverScripts(memory.scripts, thread);
  recoverRunningScript(memory.runningScripts, thread);
}
