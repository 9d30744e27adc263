// The lines about the service: state, process, clients, snapshot and workers.

import type { LiveStats, WorkerView } from "../live/stats.ts";
import { flow, heading, type Line, unit, warning } from "./line.ts";
import { printable } from "./printable.ts";
import { age, bar, bytes, counted, percent, short, uptime, whole } from "./quantity.ts";

const WORKER_BAR_COLUMNS = 5;

/** Name, version, state, uptime and address of the service. */
export function titleLines(
  stats: LiveStats,
  address: string,
  isConnected: boolean,
  columns: number,
): Line[] {
  const { version, uptimeSeconds, workers, workerRestarts: restarts } = stats;
  const state = isConnected ? stats.state : "not connected";
  const items: Line[] = [
    [heading("ringcache"), ` ${printable(version)}`],
    [state === "serving" ? state : warning(state)],
    [unit("up "), uptime(uptimeSeconds)],
    counted(workers.length, "worker"),
  ];
  if (restarts > 0)
    items.push([warning(`${whole(restarts)} ${restarts === 1 ? "restart" : "restarts"}`)]);
  return flow("", [...items, [address]], columns);
}

/** Memory of the whole process, and the connections of each protocol. */
export function processLines({ clients, residentBytes }: LiveStats, columns: number): Line[] {
  const items: Line[] = [
    [...bytes(residentBytes), unit(" resident")],
    [unit("http clients "), whole(clients.http)],
    [unit("resp clients "), whole(clients.resp)],
  ];
  return flow("process", items, columns);
}

/** The age of the last snapshot, or that the last snapshot failed. */
export function snapshotLines({ snapshot, timeMs }: LiveStats, columns: number): Line[] {
  const { isEnabled, lastMs, hasFailed } = snapshot;
  if (!isEnabled) return flow("snapshot", [[unit("off (no --data-dir)")]], columns);
  const last: Line =
    lastMs > 0 ? [age((timeMs - lastMs) / 1000), unit(" ago")] : [unit("none yet")];
  if (!hasFailed) return flow("snapshot", [last], columns);
  const good: Line = lastMs > 0 ? [unit("last good snapshot "), ...last] : last;
  return flow("snapshot", [[warning("FAILED")], good], columns);
}

/** A bar per worker if the bars fit into `maxLines`, else a summary. */
export function workerLines(stats: LiveStats, columns: number, maxLines: number): Line[] {
  const { workers } = stats;
  const digits = `${Math.max(0, ...workers.map(({ worker }) => worker))}`.length;
  const bars = flow(
    "workers",
    workers.map((worker) => workerItem(worker, digits)),
    columns,
  );
  if (bars.length <= maxLines) return bars;
  const loads = workers.map(({ load }) => load);
  const mean = loads.reduce((sum, load) => sum + load, 0) / Math.max(1, loads.length);
  const items: Line[] = [
    counted(workers.length, "worker"),
    [unit("load "), unit("mean "), ...percent(mean, 0)],
    [unit("most "), ...percent(Math.max(0, ...loads), 0)],
  ];
  return flow("workers", items, columns);
}

function workerItem({ worker, load, requestsPerSecond }: WorkerView, digits: number): Line {
  const loadPercent = `${(load * 100).toFixed(0)}`.padStart(4);
  return [
    unit(`${worker}`.padStart(digits)),
    ` ${bar(load, WORKER_BAR_COLUMNS)}${loadPercent}`,
    unit(" %"),
    ` ${short(requestsPerSecond).padStart(5)}`,
    unit("/s"),
  ];
}
