// What the screen says of the service as a process: is it up, who talks to it, are
// its threads busy.

import type { LiveStats, WorkerView } from "../live/stats.ts";
import { flow, heading, type Line, unit, warning } from "./line.ts";
import { printable } from "./printable.ts";
import { age, bar, bytes, counted, percent, short, uptime, whole } from "./quantity.ts";

const WORKER_BAR_COLUMNS = 5;

/** Name, version, state, age and address of the service, which may not answer any more. */
export function titleLines(
  stats: LiveStats,
  address: string,
  isAnswering: boolean,
  columns: number,
): Line[] {
  const { version, uptimeSeconds, workers, workerRestarts: restarts } = stats;
  const state = isAnswering ? stats.state : "no answer";
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

/** Memory of the whole process, and connections of each protocol. */
export function processLines({ clients, residentBytes }: LiveStats, columns: number): Line[] {
  const items: Line[] = [
    [...bytes(residentBytes), unit(" resident")],
    [unit("http clients "), whole(clients.http)],
    [unit("resp clients "), whole(clients.resp)],
  ];
  return flow("process", items, columns);
}

/** How old the last snapshot is, or that the last one failed. */
export function snapshotLines({ snapshot, timeMs }: LiveStats, columns: number): Line[] {
  const { isEnabled, lastMs, hasFailed } = snapshot;
  if (!isEnabled) return flow("snapshot", [[unit("none is kept: no --data-dir")]], columns);
  const last: Line =
    lastMs > 0 ? [age((timeMs - lastMs) / 1000), unit(" ago")] : [unit("none yet")];
  if (!hasFailed) return flow("snapshot", [last], columns);
  const good: Line = lastMs > 0 ? [unit("the last good one "), ...last] : last;
  return flow("snapshot", [[warning("FAILED")], good], columns);
}

/** A bar for each worker if they take no more than `maxLines`, else a summary. */
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
  const share = `${(load * 100).toFixed(0)}`.padStart(4);
  return [
    unit(`${worker}`.padStart(digits)),
    ` ${bar(load, WORKER_BAR_COLUMNS)}${share}`,
    unit(" %"),
    ` ${short(requestsPerSecond).padStart(5)}`,
    unit("/s"),
  ];
}
