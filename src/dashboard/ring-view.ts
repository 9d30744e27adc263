// The ring: one arc per shard, as long as the shard's share of the hash space. The virtual nodes of
// a shard are distributed over the ring; the view joins them to one arc.

import { makeSvg } from "./elements.ts";
import type { ShardView } from "../live/stats.ts";

const CENTRE = 200;
const OUTER = 192;
const INNER = 150;
/** Above this number of arcs no seams are drawn, because they would cover the arcs. */
const SEAMS_MAX = 256;
/** Each 5 % of difference from the mean is one shade, up to SHADES above and below. */
const SHADE_STEP = 0.05;
const SHADES = 2;

export class RingView {
  readonly #svg: SVGSVGElement;
  #shares: readonly number[] = [];
  /** The end of each shard's arc, 0 to 1. */
  #ends: readonly number[] = [];
  #arcs: readonly SVGPathElement[] = [];
  readonly #mark = makeSvg("path", { class: "mark" });

  /** Draws into `svg`. Calls `point` with the shard under the pointer, or null without one. */
  constructor(svg: SVGSVGElement, point: (shard: number | null) => void) {
    this.#svg = svg;
    svg.setAttribute("viewBox", `0 0 ${2 * CENTRE} ${2 * CENTRE}`);
    const onPointer = (event: PointerEvent): void => point(this.#shardAt(event));
    svg.addEventListener("pointermove", onPointer);
    svg.addEventListener("pointerdown", onPointer);
    svg.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType === "mouse") point(null);
    });
  }

  /**
   * Shades the arcs by each shard's difference from the mean; moves them only if shares changed.
   */
  show(shards: readonly ShardView[], meanEntries: number): void {
    const isSame =
      shards.length === this.#shares.length &&
      shards.every(({ share }, index) => share === this.#shares[index]);
    if (!isSame) this.#layOut(shards);
    for (const [index, { entries }] of shards.entries()) {
      const difference = meanEntries === 0 ? 0 : entries / meanEntries - 1;
      const steps = Math.round(difference / SHADE_STEP);
      const shade = Math.min(Math.max(steps, -SHADES), SHADES) + SHADES;
      const name = `shade-${shade}`;
      const arc = this.#arcs[index];
      if (arc !== undefined && arc.getAttribute("class") !== name) arc.setAttribute("class", name);
    }
  }

  /** Outlines the arc of one shard, or none. */
  mark(shard: number | null): void {
    const end = shard === null ? undefined : this.#ends[shard];
    const share = shard === null ? undefined : this.#shares[shard];
    const path = end === undefined || share === undefined ? "" : arcPath(end - share, end, 7);
    this.#mark.setAttribute("d", path);
  }

  #layOut(shards: readonly ShardView[]): void {
    this.#shares = shards.map(({ share }) => share);
    let end = 0;
    this.#ends = this.#shares.map((share) => (end += share));
    this.#arcs = this.#shares.map((share, index) => {
      const to = this.#ends[index] ?? 0;
      return makeSvg("path", { d: arcPath(to - share, to, 0) });
    });
    this.#svg.classList.toggle("seams", shards.length > 1 && shards.length <= SEAMS_MAX);
    this.#svg.replaceChildren(...this.#arcs, this.#mark);
  }

  #shardAt({ clientX, clientY }: PointerEvent): number | null {
    const box = this.#svg.getBoundingClientRect();
    const scale = (2 * CENTRE) / box.width;
    const x = (clientX - box.left) * scale - CENTRE;
    const y = (clientY - box.top) * scale - CENTRE;
    const radius = Math.hypot(x, y);
    if (radius < INNER - 20 || radius > CENTRE) return null;
    const turn = (Math.atan2(x, -y) / (2 * Math.PI) + 1) % 1;
    const shard = this.#ends.findIndex((end) => turn < end);
    return shard === -1 ? null : shard;
  }
}

/** Returns the path of an arc between two fractions of a turn, clockwise from the top. */
function arcPath(from: number, to: number, margin: number): string {
  // SVG draws no arc that ends at its start, so a whole turn ends just before it.
  const last = Math.min(to, from + 0.99999);
  const isLong = last - from > 0.5 ? 1 : 0;
  const outer = OUTER + margin;
  const inner = INNER - margin;
  return [
    `M${pointAt(from, outer)}A${outer} ${outer} 0 ${isLong} 1 ${pointAt(last, outer)}`,
    `L${pointAt(last, inner)}A${inner} ${inner} 0 ${isLong} 0 ${pointAt(from, inner)}Z`,
  ].join("");
}

function pointAt(turn: number, radius: number): string {
  const angle = turn * 2 * Math.PI;
  const x = CENTRE + radius * Math.sin(angle);
  const y = CENTRE - radius * Math.cos(angle);
  return `${x.toFixed(3)} ${y.toFixed(3)}`;
}
