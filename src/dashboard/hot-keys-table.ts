// The table of the most frequently read keys of a sample. A key may contain any characters, so it
// is shown as text on at most two lines, with signs for invisible characters.

import { byId, make, setText } from "./elements.ts";
import type { HotKey, LiveStats } from "../live/stats.ts";
import { exact } from "./format.ts";
import { rowHead, Rows } from "./rows.ts";
import { clipped, visibleLine } from "./visible-text.ts";

/** Most UTF-16 units of a key in the table; the style sheet shows fewer. */
const SHOWN_LENGTH = 600;

/** Returns a function that shows the hot keys in their table; `open` shows a key in the key form. */
export function makeHotKeysTable(
  open: (key: string) => void,
): (hotKeys: LiveStats["hotKeys"]) => void {
  const words = byId("hot-keys-words", HTMLElement);
  const table = byId("hot-keys", HTMLTableElement);
  const rows = new Rows(table, () => {
    const key = make("bdi", "key");
    const button = make("button", "link", key);
    button.type = "button";
    const encoding = make("span", "badge", "base64");
    const sure = make("i", "sure");
    const maybe = make("i", "maybe");
    const bar = make("div", "bar", maybe, sure);
    const reads = make("td", "number");
    const name = make("div", "name", button, encoding);
    const element = make("tr", "", rowHead("", name, bar), reads);
    const row = { element, key, button, encoding, sure, maybe, reads, text: "" };
    button.addEventListener("click", () => open(row.text));
    return row;
  });
  return ({ sampled, oneIn, keys }) => {
    setText(words, describeSample(sampled, oneIn, keys.length));
    table.hidden = keys.length === 0;
    const longest = keys[0]?.count ?? 1;
    rows.show(keys, (row, { key, encoding, count, error }: HotKey) => {
      setText(row.key, visibleLine(clipped(key, SHOWN_LENGTH)));
      row.text = key;
      // A key that is not text cannot be sent in a query.
      row.button.disabled = encoding === "base64";
      row.encoding.hidden = encoding !== "base64";
      row.maybe.style.transform = `scaleX(${count / longest})`;
      row.sure.style.transform = `scaleX(${(count - error) / longest})`;
      const range = error === 0 ? "" : `${exact(count - error)}\u00a0–\u00a0`;
      setText(row.reads, range + exact(count));
    });
  };
}

function describeSample(sampled: number, oneIn: number, keys: number): string {
  if (sampled === 0) return "No reads have been sampled yet.";
  const rate = oneIn === 1 ? "every read" : `one read in ${exact(oneIn)}`;
  const reads = `${exact(sampled)} ${sampled === 1 ? "read" : "reads"} sampled, ${rate}`;
  if (keys === 0) return `${reads}: no key stands out.`;
  const meaning = "A range gives the lowest and highest possible count of a key.";
  return `${reads}. ${meaning}`;
}
