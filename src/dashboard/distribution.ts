// The distribution of the entries over the shards, in words.

import type { ShardView } from "../live/stats.ts";
import { count, exact, percent, text } from "./format.ts";

/** Below this mean a deviation in per cent has no meaning: one entry can be 100 % of the mean. */
export const MEAN_MIN = 10;

export function meanEntries(shards: readonly ShardView[]): number {
  return totalEntries(shards) / Math.max(shards.length, 1);
}

/**
 * Returns the mean and the largest deviation; for a small cache the total and the largest shard.
 */
export function describeDistribution(shards: readonly ShardView[]): string {
  const [first, ...others] = shards;
  const total = totalEntries(shards);
  if (first === undefined || total === 0) return "No entries yet.";
  const entries = `${exact(total)} ${total === 1 ? "entry" : "entries"}`;
  if (others.length === 0) return `The only shard has ${entries}.`;
  const mean = meanEntries(shards);
  if (mean < MEAN_MIN) {
    const most = Math.max(...shards.map((shard) => shard.entries));
    return `${entries} in ${exact(shards.length)} shards, at most ${exact(most)} in one shard.`;
  }
  const distance = (shard: ShardView): number => Math.abs(shard.entries - mean);
  const furthest = others.reduce((a, b) => (distance(b) > distance(a) ? b : a), first);
  const meanText = `The mean is ${text(count(Math.round(mean)))} entries per shard.`;
  if (distance(furthest) < 0.5) return `${meanText} All shards have the same number.`;
  const deviation = text(percent(distance(furthest) / mean));
  const side = furthest.entries > mean ? "above" : "below";
  const deviating = `Shard ${furthest.shard} deviates most: ${exact(furthest.entries)} entries`;
  return `${meanText} ${deviating}, ${deviation} ${side} the mean.`;
}

function totalEntries(shards: readonly ShardView[]): number {
  return shards.reduce((total, { entries }) => total + entries, 0);
}
