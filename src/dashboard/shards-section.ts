// The shards, three times: the ring, bars and a table. One shard at a time may be pointed at, with
// a pointer on ring or bars, or with the arrow keys: the ring is one tab stop, not a thousand.

import { byId, make, setAttribute, setText } from "./elements.ts";
import type { LiveStats, ShardView } from "../live/stats.ts";
import { bytes, count, exact, percent, text } from "./format.ts";
import { RingView } from "./ring-view.ts";
import { rowHead, Rows } from "./rows.ts";
import { ShardBars } from "./shard-bars.ts";
import { onSchemeChange } from "./theme.ts";

export class ShardsSection {
  readonly #slider = byId("ring", HTMLElement);
  readonly #title = byId("ring-title", HTMLElement);
  readonly #details = byId("ring-details", HTMLElement);
  readonly #words = byId("shards-words", HTMLElement);
  readonly #ring = new RingView(byId("ring-svg", SVGSVGElement), (shard) => this.#point(shard));
  readonly #bars = new ShardBars(byId("shard-bars", HTMLCanvasElement), (shard) =>
    this.#point(shard),
  );
  readonly #disclosure = byId("shards-disclosure", HTMLDetailsElement);
  readonly #table = makeTable();
  #shards: readonly ShardView[] = [];
  #virtualNodes = 0;
  #pointed: number | null = null;

  constructor() {
    this.#slider.addEventListener("keydown", (event) => this.#onKey(event));
    this.#slider.addEventListener("blur", () => this.#point(null));
    this.#disclosure.addEventListener("toggle", () => this.#showTable());
    onSchemeChange(() => this.#bars.draw());
  }

  show({ shards, virtualNodes }: LiveStats): void {
    this.#shards = shards;
    this.#virtualNodes = virtualNodes;
    const sum = shards.reduce((total, { entries }) => total + entries, 0);
    const mean = sum / Math.max(shards.length, 1);
    this.#ring.show(shards, mean);
    this.#bars.show(shards, mean);
    setText(this.#words, deviationWords(shards, mean));
    this.#showTable();
    // Nobody who is on the ring wants to hear it once a second.
    this.#describe(document.activeElement !== this.#slider);
  }

  #showTable(): void {
    // A thousand rows that nobody sees are not worth their upkeep.
    if (this.#disclosure.open) this.#table(this.#shards);
  }

  #point(shard: number | null): void {
    if (shard === this.#pointed) return;
    this.#pointed = shard;
    this.#ring.mark(shard);
    this.#bars.mark(shard);
    this.#describe(true);
  }

  #onKey(event: KeyboardEvent): void {
    const last = this.#shards.length - 1;
    const page = Math.max(1, Math.round(this.#shards.length / 10));
    const from = this.#pointed ?? -1;
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
    this.#point(target === null ? null : Math.min(Math.max(target, 0), last));
  }

  /** The middle of the ring and, if it is to be said, what screen readers hear of it. */
  #describe(isSaid: boolean): void {
    const shard = this.#pointed === null ? undefined : this.#shards[this.#pointed];
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
    if (!isSaid) return;
    setAttribute(this.#slider, "aria-valuemax", String(Math.max(shards - 1, 0)));
    setAttribute(this.#slider, "aria-valuenow", String(this.#pointed ?? 0));
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

/** Mean and largest deviation in words. */
function deviationWords(shards: readonly ShardView[], mean: number): string {
  const [first, ...others] = shards;
  if (first === undefined || mean === 0) return "No entries yet.";
  if (others.length === 0) return `The one shard holds all ${exact(first.entries)}.`;
  const distance = (shard: ShardView): number => Math.abs(shard.entries - mean);
  const furthest = others.reduce((a, b) => (distance(b) > distance(a) ? b : a), first);
  const meanWords = `The mean is ${text(count(Math.round(mean)))}.`;
  if (distance(furthest) < 0.5) return `${meanWords} Every shard holds as many.`;
  const by = text(percent(distance(furthest) / mean));
  const side = furthest.entries > mean ? "above" : "below";
  return `${meanWords} Furthest from it is shard ${furthest.shard}, ${by} ${side}, with ${exact(furthest.entries)}.`;
}
