// The current stats, one tile each; the most important tiles come first.

import { byId, make, setText } from "./elements.ts";
import type { Quantity } from "../live/bytes.ts";
import type { LiveStats } from "../live/stats.ts";
import { bytes, count, duration, exact, milliseconds, percent, rounded, text } from "./format.ts";
import type { Column, History } from "./history.ts";

interface Reading {
  readonly quantity: Quantity;
  readonly note: string;
  /** Drawn as a bar, 0 to 1. */
  readonly ratio?: number;
  readonly isWarning?: boolean;
}

const NONE: Quantity = { number: "–", unit: "" };
const plain = (number: string, unit = ""): Quantity => ({ number, unit });
const byteText = (value: number): string => text(bytes(Math.round(value)));
const perSecond = ({ number, unit }: Quantity): Quantity => ({ number, unit: `${unit}/s` });

const TILES: Readonly<Record<string, (now: LiveStats, history: History) => Reading>> = {
  "Requests/s": ({ requestsPerSecond }, history) => ({
    quantity: count(Math.round(requestsPerSecond)),
    note: `5 min peak ${text(count(Math.round(Math.max(...values(history, "requests"), 0))))}`,
  }),
  "Hit ratio": ({ hitRatio }, history) => {
    const ratios = values(history, "hitRatio");
    const low = ratios.length === 0 ? "" : `5 min low ${text(percent(Math.min(...ratios)))}`;
    if (hitRatio === null) return { quantity: NONE, note: low === "" ? "no reads yet" : low };
    return { quantity: percent(hitRatio), note: low };
  },
  "p99 latency": ({ latencyMs }) => {
    if (latencyMs === null) return { quantity: NONE, note: "no requests" };
    const { p50, p99, p999 } = latencyMs;
    const note = `p50\u00a0${text(milliseconds(p50))}, p99.9\u00a0${text(milliseconds(p999))}`;
    return { quantity: milliseconds(p99), note };
  },
  "Memory used": ({ memory, evictionsPerSecond }) => {
    const ratio = memory.maxBytes > 0 ? memory.usedBytes / memory.maxBytes : 0;
    const evicting = Math.round(evictionsPerSecond);
    const suffix = evicting > 0 ? `, evicting ${text(count(evicting))}/s` : "";
    const limit = text(rounded(bytes(memory.maxBytes)));
    const note = `${text(percent(ratio))} of ${limit}${suffix}`;
    return { quantity: bytes(memory.usedBytes), note, ratio };
  },
  Entries: ({ entries, shards }) => ({
    quantity: count(entries),
    note: `in ${exact(shards.length)} ${shards.length === 1 ? "shard" : "shards"}`,
  }),
  Clients: ({ clients: { http, resp } }) => ({
    quantity: count(http + resp),
    note: `${text(count(http))} HTTP, ${text(count(resp))} Redis`,
  }),
  "Errors/s": ({ errorsPerSecond, rejectionsPerSecond }) => ({
    quantity: count(Math.round(errorsPerSecond)),
    note: `${text(count(Math.round(rejectionsPerSecond)))} rejected/s`,
    isWarning: rejectionsPerSecond >= 1,
  }),
  "Redis traffic": ({ network: { resp } }) => ({
    quantity: perSecond(bytes(Math.round(resp.receivedPerSecond + resp.sentPerSecond))),
    note: `in ${byteText(resp.receivedPerSecond)}, out ${byteText(resp.sentPerSecond)}`,
  }),
  "Leases/s": ({ caching: { leasesPerSecond, waitsPerSecond } }) => ({
    quantity: count(Math.round(leasesPerSecond)),
    note: `${text(count(Math.round(waitsPerSecond)))} waits/s`,
  }),
  "Stale reads/s": ({ caching: { stalePerSecond, invalidationsPerSecond } }) => ({
    quantity: count(Math.round(stalePerSecond)),
    note: `${text(count(Math.round(invalidationsPerSecond)))} tags invalidated/s`,
  }),
  "Worker restarts": ({ workerRestarts, workers }) => ({
    quantity: count(workerRestarts),
    note: `${workers.length} ${workers.length === 1 ? "worker" : "workers"} now`,
    isWarning: workerRestarts > 0,
  }),
  "Last snapshot": ({ snapshot, timeMs }) => {
    const { isEnabled, lastMs, hasFailed } = snapshot;
    if (!isEnabled) return { quantity: plain("off"), note: "no --data-dir" };
    const quantity =
      lastMs === 0 ? plain("none") : plain(duration((timeMs - lastMs) / 1000), "ago");
    const note = hasFailed ? "the latest attempt failed" : lastMs === 0 ? "not yet" : "succeeded";
    return { quantity, note, isWarning: hasFailed };
  },
};

/** Adds the tiles to the page; returns a function that shows stats in them. */
export function makeTiles(history: History): (stats: LiveStats) => void {
  const host = byId("tiles", HTMLElement);
  const tiles = Object.entries(TILES).map(([name, read]) => ({ read, tile: new Tile(host, name) }));
  return (stats) => {
    for (const { read, tile } of tiles) tile.show(read(stats, history));
  };
}

class Tile {
  readonly #number = make("span", "number", "–");
  readonly #unit = make("span", "unit");
  readonly #note = make("dd", "note", "\u00a0");
  readonly #bar = make("i");
  readonly #element: HTMLElement;

  constructor(host: Element, name: string) {
    const value = make("dd", "value", this.#number, " ", this.#unit);
    const bar = make("dd", "bar", this.#bar);
    bar.ariaHidden = "true";
    bar.hidden = true;
    this.#element = make("div", "card tile", make("dt", "", name), value, bar, this.#note);
    host.append(this.#element);
  }

  show({ quantity, note, ratio, isWarning = false }: Reading): void {
    setText(this.#number, quantity.number);
    setText(this.#unit, quantity.unit);
    setText(this.#note, note);
    this.#element.classList.toggle("warning", isWarning);
    if (ratio === undefined) return;
    this.#bar.style.transform = `scaleX(${Math.min(ratio, 1)})`;
    this.#bar.parentElement?.removeAttribute("hidden");
  }
}

function values(history: History, column: Column): number[] {
  return history.column(column).filter((value) => value !== null);
}
