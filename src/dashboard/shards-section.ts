// The shards as ring, bars and table. The user selects one shard with a pointer on ring or bars, or
// with the arrow keys: the ring is one tab stop, not a thousand.

import { byId, make, setAttribute, setText } from "./elements.ts";
import type { LiveStats, ShardView } from "../live/stats.ts";
import { describeDistribution, meanEntries } from "./distribution.ts";
import { bytes, exact, percent, text } from "./format.ts";
import { RingView } from "./ring-view.ts";
import { rowHead, Rows } from "./rows.ts";
import { ShardBars } from "./shard-bars.ts";
import { onSchemeChange } from "./theme.ts";

export class ShardsSection {
  readonly #slider = byId("ring", HTMLElement);
  readonly #title = byId("ring-title", HTMLElement);
  readonly #details = byId("ring-details", HTMLElement);
  readonly #words = byId("shards-words", HTMLElement);
  readonly #ring = new RingView(byId("ring-svg", SVGSVGElement), (shard) => this.#select(shard));
  readonly #bars = new ShardBars(byId("shard-bars", HTMLCanvasElement), (shard) =>
    this.#select(shard),
  );
  readonly #disclosure = byId("shards-disclosure", HTMLDetailsElement);
  readonly #table = makeTable();
  #shards: readonly ShardView[] = [];
  #virtualNodes = 0;
  #selected: number | null = null;

  constructor() {
    this.#slider.addEventListener("keydown", (event) => this.#onKey(event));
    this.#slider.addEventListener("blur", () => this.#select(null));
    this.#disclosure.addEventListener("toggle", () => this.#showTable());
    onSchemeChange(() => this.#bars.draw());
  }

  show({ shards, virtualNodes }: LiveStats): void {
    this.#shards = shards;
    this.#virtualNodes = virtualNodes;
    const mean = meanEntries(shards);
    this.#ring.show(shards, mean);
    this.#bars.show(shards, mean);
    setText(this.#words, describeDistribution(shards));
    this.#showTable();
    // While the ring has the focus, a screen reader would read the change every second.
    this.#describe(document.activeElement !== this.#slider);
  }

  #showTable(): void {
    // The table may have a thousand rows, so it is updated only while it is open.
    if (this.#disclosure.open) this.#table(this.#shards);
  }

  #select(shard: number | null): void {
    if (shard === this.#selected) return;
    this.#selected = shard;
    this.#ring.mark(shard);
    this.#bars.mark(shard);
    this.#describe(true);
  }

  #onKey(event: KeyboardEvent): void {
    const last = this.#shards.length - 1;
    const page = Math.max(1, Math.round(this.#shards.length / 10));
    const from = this.#selected ?? -1;
    const target = new Map<string, number | null>([
      ["ArrowRight", from + 1],
      ["ArrowUp", from + 1],
      ["ArrowLeft", from - 1],
      ["ArrowDown", from - 1],
      ["PageUp", from + page],
      ["PageDown", from - page],
      ["Home", 0],
      ["End", last],
      ["Escape", null],
    ]).get(event.key);
    if (target === undefined) return;
    event.preventDefault();
    this.#select(target === null ? null : Math.min(Math.max(target, 0), last));
  }

  /**
   * Shows the selected shard in the middle of the ring; with `isAnnounced` to screen readers too.
   */
  #describe(isAnnounced: boolean): void {
    const shard = this.#selected === null ? undefined : this.#shards[this.#selected];
    const shards = this.#shards.length;
    const title =
      shard === undefined
        ? `${exact(shards)} ${shards === 1 ? "shard" : "shards"}`
        : `Shard ${shard.shard}`;
    const details =
      shard === undefined
        ? [`${exact(this.#virtualNodes)} virtual`, shards === 1 ? "nodes" : "nodes each"]
        : [
            `${text(percent(shard.share))} of the ring`,
            `${exact(shard.entries)} entries`,
            text(bytes(shard.bytes)),
          ];
    setText(this.#title, title);
    setText(this.#details, details.join("\n"));
    if (!isAnnounced) return;
    setAttribute(this.#slider, "aria-valuemax", String(Math.max(shards - 1, 0)));
    setAttribute(this.#slider, "aria-valuenow", String(this.#selected ?? 0));
    setAttribute(this.#slider, "aria-valuetext", `${title}: ${details.join(" ")}`);
  }
}

function makeTable(): (shards: readonly ShardView[]) => void {
  const rows = new Rows(byId("shards", HTMLTableElement), () => {
    const head = rowHead("");
    const share = make("td", "number");
    const entries = make("td", "number");
    const held = make("td", "number");
    return { element: make("tr", "", head, share, entries, held), head, share, entries, held };
  });
  return (shards) => {
    rows.show(shards, ({ head, share, entries, held }, view) => {
      setText(head, String(view.shard));
      setText(share, text(percent(view.share)));
      setText(entries, exact(view.entries));
      setText(held, text(bytes(view.bytes)));
    });
  };
}
