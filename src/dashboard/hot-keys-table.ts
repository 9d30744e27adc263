// The keys that are asked for most, as a sample of the reads tells. A key is whatever a client
// chose: it is shown as text on one or two lines, and its signs for what cannot be seen are ours.

import { byId, make, setText } from "./elements.ts";
import type { HotKey, LiveStats } from "../live/stats.ts";
import { exact } from "./format.ts";
import { rowHead, Rows } from "./rows.ts";
import { clipped, visibleLine } from "./visible-text.ts";

/** UTF-16 units of a key; what the style sheet shows of them is less. */
const SHOWN_LENGTH = 600;

/** Returns what shows the hot keys in their table. */
export function makeHotKeysTable(): (hotKeys: LiveStats["hotKeys"]) => void {
  const words = byId("hot-keys-words", HTMLElement);
  const table = byId("hot-keys", HTMLTableElement);
  const rows = new Rows(table, (index) => {
    const key = make("bdi", "key");
    const encoding = make("span", "badge", "base64");
    const sure = make("i", "sure");
    const maybe = make("i", "maybe");
    const bar = make("div", "bar", maybe, sure);
    const reads = make("td", "number");
    const name = make("div", "name", key, encoding);
    const rank = make("td", "number rank", String(index + 1));
    const element = make("tr", "", rank, rowHead("", name, bar), reads);
    return { element, key, encoding, sure, maybe, reads };
  });
  return ({ sampled, oneIn, keys }) => {
    setText(words, explained(sampled, oneIn, keys.length));
    table.hidden = keys.length === 0;
    const longest = keys[0]?.count ?? 1;
    rows.show(keys, (row, { key, encoding, count, error }: HotKey) => {
      setText(row.key, visibleLine(clipped(key, SHOWN_LENGTH)));
      row.encoding.hidden = encoding !== "base64";
      row.maybe.style.transform = `scaleX(${count / longest})`;
      row.sure.style.transform = `scaleX(${(count - error) / longest})`;
      const range = error === 0 ? "" : `${exact(count - error)}\u00a0–\u00a0`;
      setText(row.reads, range + exact(count));
    });
  };
}

function explained(sampled: number, oneIn: number, keys: number): string {
  if (sampled === 0) return "No reads have been sampled yet.";
  const part = oneIn === 1 ? "every read" : `one read in ${exact(oneIn)}`;
  if (keys === 0) return `${exact(sampled)} reads sampled, ${part}: no key stands out.`;
  return `${exact(sampled)} reads sampled, ${part}. A range is the least and the most that a key can have had of them.`;
}
