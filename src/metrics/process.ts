// Metrics of the whole process, with the names that other Prometheus exporters use.

import { readdirSync } from "node:fs";

import { openDescriptors, residentBytes, whileDescriptorsLast } from "../linux/resources.ts";
import type { Metric } from "./metric.ts";

/** Returns the process metrics that this operating system supports. */
export function processMetrics(): Metric[] {
  const metrics: Metric[] = [
    {
      ...{ name: "process_cpu_seconds_total", kind: "counter" },
      help: "User and system CPU time of all threads.",
      read: () => {
        const { user, system } = process.cpuUsage();
        return (user + system) / 1e6;
      },
    },
    {
      ...{ name: "process_resident_memory_bytes", kind: "gauge" },
      help: "Resident memory of the process.",
      read: () => residentBytes(),
    },
    {
      ...{ name: "process_start_time_seconds", kind: "gauge" },
      help: "Unix time at which the service started.",
      read: ({ service }) => (performance.timeOrigin + service.startedMs) / 1000,
    },
  ];
  if (process.platform !== "linux") return metrics;
  const openFiles: Metric = {
    ...{ name: "process_open_fds", kind: "gauge" },
    help: "Open files and sockets of the process.",
    read: () =>
      openDescriptors() ?? whileDescriptorsLast(() => readdirSync("/proc/self/fd").length) ?? [],
  };
  return [...metrics, openFiles];
}
