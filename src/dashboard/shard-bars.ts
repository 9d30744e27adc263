// The entries of each shard as bars, with the mean as a line: 1 to 1,024 bars on one canvas.

import { MEAN_MIN } from "./distribution.ts";
import type { ShardView } from "../live/stats.ts";
import { count, text } from "./format.ts";
import { colour } from "./theme.ts";

// In CSS pixels.
const LEFT = 52;
const TOP = 10;
const BOTTOM = 24;
/** Narrower bars have no gap between them. */
const PITCH_WITH_GAP_MIN = 3;
const FONT = "12px system-ui, sans-serif";
/** Smallest distance between the labels of the mean and of zero. */
const LABEL_DISTANCE_MIN = 14;

export class ShardBars {
  readonly #canvas: HTMLCanvasElement;
  #shards: readonly ShardView[] = [];
  #mean = 0;
  #marked: number | null = null;

  /** Draws on `canvas`. Calls `point` with the shard under the pointer, or null without one. */
  constructor(canvas: HTMLCanvasElement, point: (shard: number | null) => void) {
    this.#canvas = canvas;
    const onPointer = (event: PointerEvent): void => point(this.#shardAt(event));
    canvas.addEventListener("pointermove", onPointer);
    canvas.addEventListener("pointerdown", onPointer);
    canvas.addEventListener("pointerleave", ({ pointerType }) => {
      if (pointerType === "mouse") point(null);
    });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  show(shards: readonly ShardView[], mean: number): void {
    this.#shards = shards;
    this.#mean = mean;
    this.draw();
  }

  /** Highlights the bar of one shard, or no bar. */
  mark(shard: number | null): void {
    this.#marked = shard;
    this.draw();
  }

  draw(): void {
    const { clientWidth, clientHeight } = this.#canvas;
    const context = this.#canvas.getContext("2d");
    if (context === null || clientWidth === 0) return;
    const scale = devicePixelRatio;
    this.#canvas.width = Math.round(clientWidth * scale);
    this.#canvas.height = Math.round(clientHeight * scale);
    context.scale(scale, scale);

    const bottom = clientHeight - BOTTOM;
    const most = Math.max(...this.#shards.map(({ entries }) => entries), 1);
    const top = (entries: number): number => bottom - (entries / (most * 1.08)) * (bottom - TOP);
    const pitch = (clientWidth - LEFT) / Math.max(this.#shards.length, 1);
    // Edges lie on whole pixels; otherwise thin bars would blur into stripes.
    const edge = (shard: number): number => Math.round((LEFT + shard * pitch) * scale) / scale;
    const gap = pitch < PITCH_WITH_GAP_MIN ? 0 : Math.min(pitch * 0.25, 4);

    for (const [index, { entries }] of this.#shards.entries()) {
      context.fillStyle = colour(index === this.#marked ? "ink-2" : "bar");
      const width = Math.max(edge(index + 1) - edge(index) - gap, 1 / scale);
      context.fillRect(edge(index) + gap / 2, top(entries), width, bottom - top(entries));
    }
    this.#drawAxis(context, bottom);
    // Of few entries the mean says nothing.
    if (this.#mean >= MEAN_MIN) this.#drawMean(context, bottom, top(this.#mean));
  }

  #drawAxis(context: CanvasRenderingContext2D, bottom: number): void {
    const right = this.#canvas.clientWidth;
    context.fillStyle = colour("line");
    context.fillRect(LEFT, bottom, right - LEFT, 1);

    context.font = FONT;
    context.fillStyle = colour("ink-2");
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillText("0", LEFT - 8, bottom);
    context.textBaseline = "bottom";
    const last = this.#shards.length - 1;
    if (last > 0) context.fillText(`shard ${last}`, right, bottom + BOTTOM);
    context.textAlign = "left";
    context.fillText("shard 0", LEFT, bottom + BOTTOM);
  }

  #drawMean(context: CanvasRenderingContext2D, bottom: number, meanTop: number): void {
    const right = this.#canvas.clientWidth;
    context.strokeStyle = colour("orange");
    context.lineWidth = 2;
    context.setLineDash([6, 3]);
    context.beginPath();
    context.moveTo(LEFT, meanTop);
    context.lineTo(right, meanTop);
    context.stroke();

    if (bottom - meanTop < LABEL_DISTANCE_MIN) return;
    context.font = FONT;
    context.fillStyle = colour("ink-2");
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillText(text(count(Math.round(this.#mean * 10) / 10)), LEFT - 8, meanTop);
  }

  #shardAt({ offsetX }: PointerEvent): number | null {
    const fraction = (offsetX - LEFT) / (this.#canvas.clientWidth - LEFT);
    const shard = Math.floor(fraction * this.#shards.length);
    return shard >= 0 && shard < this.#shards.length ? shard : null;
  }
}
