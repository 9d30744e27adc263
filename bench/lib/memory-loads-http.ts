// Loads of bench:memory on the HTTP port.

import type { MemoryLoad } from "./memory-load.ts";

export const HTTP_LOADS: readonly MemoryLoad[] = [];
