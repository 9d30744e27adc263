// The lines about the service: state, process, clients, snapshot and workers.

import type { LiveStats, TrafficView, WorkerView } from "../live/stats.ts";
import { flow, heading, LABEL_COLUMNS, labelled, type Line, unit, warning } from "./line.ts";
import { printable } from "./printable.ts";
import { age, bar, bytes, counted, percent, short, uptime, whole } from "./quantity.ts";

const WORKER_BAR_COLUMNS = 5;
const REASONS_MAX = 3;
/** Slots of a whole upstream. */
const SLOTS = 16_384;

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

/** Errors and rejections, with the most frequent reasons since the start. */
export function errorLines(stats: LiveStats, columns: number): Line[] {
  const { errorsPerSecond, rejectionsPerSecond, rejections } = stats;
  const rejected = `${whole(rejectionsPerSecond)}/s`;
  const reasons = rejections.slice(0, REASONS_MAX).map(({ reason, count }): Line => {
    return [unit(`${printable(reason).replaceAll("_", " ")} `), whole(count)];
  });
  const items: Line[] = [
    [whole(errorsPerSecond), unit("/s")],
    [unit("rejected "), rejectionsPerSecond > 0 ? warning(rejected) : rejected],
    ...reasons,
  ];
  return flow("errors", items, columns);
}

/** The traffic of the Redis port, and of the machine's interfaces. */
export function networkLines({ network }: LiveStats, columns: number): Line[] {
  const item = (name: string, { receivedPerSecond, sentPerSecond }: TrafficView): Line => [
    unit(`${name} in `),
    ...[...bytes(Math.round(receivedPerSecond)), unit("/s  out ")],
    ...[...bytes(Math.round(sentPerSecond)), unit("/s")],
  ];
  const { resp, interfaces } = network;
  const items = [item("redis port", resp), ...(interfaces ? [item("interfaces", interfaces)] : [])];
  return flow("network", items, columns);
}

/** A heading and a line per command. */
export function commandLines({ commands }: LiveStats): Line[] {
  const shown = commands.map((view) => ({
    rate: whole(view.callsPerSecond >= 1 ? Math.round(view.callsPerSecond) : view.callsPerSecond),
    errors: whole(view.errorsPerSecond),
    total: short(view.calls),
    name: `${view.protocol} ${printable(view.command)}`,
  }));
  if (shown.length === 0) return [[labelled("commands"), unit("none since the start")]];
  const head = { rate: "per second", errors: "errors/s", total: "total", name: "command" };
  const widths = (["rate", "errors", "total"] as const).map((column) => {
    return Math.max(...[head, ...shown].map((row) => row[column].length));
  });
  return [head, ...shown].map((row, index) => {
    const cells = [row.rate, row.errors, row.total].map((cell, at) => {
      return cell.padStart(widths[at] ?? 0);
    });
    const text = cells.join("  ");
    if (index === 0) return [labelled("commands"), unit(`${text}  ${row.name}`)];
    return [" ".repeat(LABEL_COLUMNS), text, "  ", row.name];
  });
}

/** The near cache, and the primaries of the upstream; nothing without an upstream. */
export function upstreamLines({ upstream }: LiveStats, columns: number): Line[] {
  if (upstream === null) return [];
  const { mode, nearHitRatio, slotsCovered, errorsPerSecond } = upstream;
  const rate = (name: string, perSecond: number): Line => [
    unit(`${name} `),
    ...[whole(Math.round(perSecond)), unit("/s")],
  ];
  const items: Line[] = [
    [mode === "unknown" ? warning("not found yet") : mode],
    [unit("near hits "), ...(nearHitRatio === null ? [unit("–")] : percent(nearHitRatio, 1))],
    rate("hits", upstream.nearHitsPerSecond),
    rate("fills", upstream.fillsPerSecond),
    rate("drops", upstream.dropsPerSecond),
    rate("invalidations", upstream.invalidationsPerSecond),
    [unit("in flight "), whole(upstream.inFlight)],
    errorsPerSecond > 0 ? [warning(`errors ${whole(errorsPerSecond)}/s`)] : rate("errors", 0),
  ];
  if (slotsCovered < SLOTS) items.push([warning(`slots ${whole(slotsCovered)} of 16,384`)]);
  const primaries = upstream.primaries.map(({ address, isTrusted, beatAgeMs }): Line => {
    const trust = isTrusted ? "trusted" : warning("not trusted");
    const beat = beatAgeMs === null ? "no beat" : `${whole(Math.round(beatAgeMs))} ms`;
    return [unit(`${printable(address)} `), trust, unit(` ${beat}`)];
  });
  return [...flow("upstream", items, columns), ...flow("primaries", primaries, columns)];
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
