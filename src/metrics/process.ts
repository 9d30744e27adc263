// Figures of the process as a whole, under the names that other exporters give them.

import { readdirSync } from "node:fs";

import { openDescriptors, residentBytes, whileDescriptorsLast } from "../linux/resources.ts";
import type { Metric } from "./metric.ts";

/** Those that this system can tell. */
export function processMetrics(): Metric[] {
  const metrics: Metric[] = [
    {
      ...{ name: "process_cpu_seconds_total", kind: "counter" },
      help: "User and system time of all threads.",
      read: () => {
        const { user, system } = process.cpuUsage();
        return (user + system) / 1e6;
      },
    },
    {
      ...{ name: "process_resident_memory_bytes", kind: "gauge" },
      help: "Resident memory.",
      read: () => residentBytes(),
    },
    {
      ...{ name: "process_start_time_seconds", kind: "gauge" },
      help: "Unix time of the start.",
      read: ({ service }) => (performance.timeOrigin + service.startedMs) / 1000,
    },
  ];
  if (process.platform !== "linux") return metrics;
  const openFiles: Metric = {
    ...{ name: "process_open_fds", kind: "gauge" },
    help: "Open files and sockets.",
    read: () =>
      openDescriptors() ?? whileDescriptorsLast(() => readdirSync("/proc/self/fd").length) ?? [],
  };
  return [...metrics, openFiles];
}
