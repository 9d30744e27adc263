// Figures of the process as a whole, under the names that other exporters give them.

import { readdirSync } from "node:fs";

export interface ProcessFigure {
  readonly name: string;
  readonly help: string;
  readonly isCounter: boolean;
  readonly read: () => number;
}

/** Those that this system can tell. `startedMs`: of the service, on this thread's `performance.now()`. */
export function processFigures(startedMs: number): ProcessFigure[] {
  const startSeconds = (performance.timeOrigin + startedMs) / 1000;
  const figures: ProcessFigure[] = [
    {
      name: "cpu_seconds_total",
      help: "User and system time of all threads.",
      isCounter: true,
      read: () => {
        const { user, system } = process.cpuUsage();
        return (user + system) / 1e6;
      },
    },
    {
      name: "resident_memory_bytes",
      help: "Resident memory.",
      isCounter: false,
      read: () => process.memoryUsage.rss(),
    },
    {
      name: "start_time_seconds",
      help: "Unix time of the start.",
      isCounter: false,
      read: () => startSeconds,
    },
  ];
  if (process.platform !== "linux") return figures;
  const openFiles = {
    name: "open_fds",
    help: "Open files and sockets.",
    isCounter: false,
    read: () => readdirSync("/proc/self/fd").length,
  };
  return [...figures, openFiles];
}
