// Loads of bench:memory on the Redis port.

import type { MemoryLoad } from "./memory-load.ts";

export const RESP_LOADS: readonly MemoryLoad[] = [];
