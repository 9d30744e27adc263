// What a figure was measured on: stands above every table and in every raw result.

import { availableParallelism, cpus, totalmem } from "node:os";

/** "2 cores of Intel(R) Xeon(R) ..., 23.5 GiB, Linux 6.1, Bun 1.4.5". */
export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  const memory = `${(totalmem() / 2 ** 30).toFixed(1)} GiB`;
  const cores = availableParallelism();
  return `${cores} cores of ${model}, ${memory}, ${process.platform} ${process.arch}, Bun ${Bun.version}`;
}
