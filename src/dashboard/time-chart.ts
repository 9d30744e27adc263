// One line chart of the last five minutes, with its values as text: the latest values, or those of
// the selected time. The pointer or the arrow keys select a time, for all charts together.

import uPlot from "uplot";

import { make, setAttribute, setText } from "./elements.ts";
import { timeOfDay } from "./format.ts";
import { HISTORY_SECONDS } from "../live/history.ts";
import type { Column, History, Mark } from "./history.ts";
import { type Colour, colour } from "./theme.ts";

const HEIGHT_PX = 200;
/** Charts of lesser importance are lower. */
const LOW_HEIGHT_PX = 150;
/** A shorter history does not fill the chart. */
const SPAN_SECONDS_MIN = 60;
const AXIS_FONT = "12px system-ui, sans-serif";
const SYNC = { key: "moment" };
/** Points by which a key moves the selected time. */
const STEPS = new Map([
  ["ArrowLeft", -1],
  ["ArrowDown", -1],
  ["ArrowRight", 1],
  ["ArrowUp", 1],
  ["PageDown", -30],
  ["PageUp", 30],
  ["Home", -HISTORY_SECONDS],
  ["End", HISTORY_SECONDS],
]);

export interface Line {
  readonly name: string;
  readonly column: Column;
  /** The lower edge of a layer in a stack, so that the text gives the layer's height. */
  readonly above?: Column;
  /** The column of the value in the legend, if it is not that of the line. */
  readonly legend?: Column;
  readonly colour: Colour;
  readonly fill?: Colour;
  readonly dash?: number[];
  readonly onRight?: boolean;
  readonly words: (value: number) => string;
}

export interface Axis {
  readonly words: (value: number) => string;
  /** Returns the ends of the axis for the lowest and the highest value. */
  readonly range: (least: number, greatest: number) => [number, number];
  readonly isLogarithmic?: boolean;
  /** Allowed distances between labels. */
  readonly steps?: number[];
}

export interface ChartPlan {
  readonly title: string;
  readonly unit?: string;
  readonly lines: readonly Line[];
  /** Later lines are drawn first, because each layer is filled down to zero. */
  readonly isStack?: boolean;
  readonly isLow?: boolean;
  readonly left: Axis;
  readonly right?: Axis;
}

export class TimeChart {
  readonly #plan: ChartPlan;
  readonly #history: History;
  readonly #drawn: readonly Line[];
  readonly #plot: HTMLElement;
  readonly #moment = make("span", "moment");
  readonly #values = new Map<Line, HTMLElement>();
  readonly #chart: uPlot;
  /** Distance of the selected time from the latest; 0 or less. */
  #secondsAgo = 0;

  /** Appends the chart to `host`. */
  constructor(host: Element, plan: ChartPlan, history: History) {
    this.#plan = plan;
    this.#history = history;
    this.#drawn = plan.isStack ? plan.lines.toReversed() : plan.lines;
    this.#plot = this.#makePlot();
    const legend = make("ul", "legend", ...plan.lines.map((line) => this.#legendItem(line)));
    const heading = make("h3", "", plan.title, make("span", "unit", plan.unit ?? ""));
    const caption = make("figcaption", "", heading, this.#moment, legend);
    host.append(make("figure", "card chart", caption, this.#plot));

    this.#chart = new uPlot(this.#options(), this.#data(), this.#plot);
    new ResizeObserver(() => {
      this.#chart.setSize({ width: this.#plot.clientWidth, height: this.#height });
    }).observe(this.#plot);
  }

  /** Draws the current history. */
  draw(): void {
    this.#chart.setData(this.#data());
    this.#describe();
    // While the chart has the focus, a screen reader would read the change every second.
    if (document.activeElement !== this.#plot) this.#announce();
  }

  /** Draws the same data in the colours of the current scheme. */
  redraw(): void {
    this.#chart.redraw();
  }

  get #height(): number {
    return this.#plan.isLow === true ? LOW_HEIGHT_PX : HEIGHT_PX;
  }

  #data(): uPlot.AlignedData {
    return [this.#history.times, ...this.#drawn.map(({ column }) => this.#history.column(column))];
  }

  #legendItem(line: Line): HTMLElement {
    const value = make("b", "", "–");
    this.#values.set(line, value);
    const swatch = make("i", `swatch ${line.colour}${line.dash === undefined ? "" : " dashed"}`);
    return make("li", "", swatch, `${line.name} `, value);
  }

  // For screen readers a chart is a slider over time that reads its values.
  #makePlot(): HTMLElement {
    const plot = make("div", this.#plan.isLow === true ? "plot low" : "plot");
    plot.tabIndex = 0;
    plot.role = "slider";
    setAttribute(plot, "aria-valuenow", "0");
    plot.ariaLabel = `${this.#plan.title}: moment`;
    plot.ariaValueMin = String(-HISTORY_SECONDS);
    plot.ariaValueMax = "0";
    plot.addEventListener("keydown", (event) => this.#onKey(event));
    plot.addEventListener("blur", () => this.#choose(null));
    return plot;
  }

  #onKey(event: KeyboardEvent): void {
    const step = STEPS.get(event.key);
    const last = this.#history.times.length - 1;
    if (event.key === "Escape") this.#choose(null);
    if (step === undefined || last < 0) return;
    event.preventDefault();
    const index = (this.#chart.cursor.idx ?? last) + step;
    this.#choose(Math.min(Math.max(index, 0), last));
  }

  /** Selects a time on every chart; null selects the latest. */
  #choose(index: number | null): void {
    const time = index === null ? undefined : this.#history.times[index];
    for (const chart of uPlot.sync(SYNC.key).plots) {
      const left = time === undefined ? -10 : chart.valToPos(time, "x");
      chart.setCursor({ left, top: time === undefined ? -10 : 0 }, true);
    }
    this.#announce();
  }

  /** Shows the values of the selected time in the legend. */
  #describe(): void {
    const { times } = this.#history;
    const last = times.length - 1;
    const index = Math.min(this.#chart.cursor.idx ?? last, last);
    const time = times[index];
    if (time === undefined) return;
    const moment = index === last ? "latest" : timeOfDay(time * 1000);
    setText(this.#moment, moment);
    for (const [line, element] of this.#values) {
      const value = this.#valueAt(line, index);
      setText(element, value === null ? "–" : line.words(value));
    }
    this.#secondsAgo = Math.round(time - (times[last] ?? time));
  }

  /** Gives the values in the legend to screen readers. */
  #announce(): void {
    const values = [...this.#values].map(([line, value]) => `${line.name} ${value.textContent}`);
    const words = `${this.#moment.textContent}: ${values.join(", ")}`;
    setAttribute(this.#plot, "aria-valuenow", String(this.#secondsAgo));
    setAttribute(this.#plot, "aria-valuetext", words);
  }

  #valueAt({ column, legend = column, above }: Line, index: number): number | null {
    const value = this.#history.column(legend)[index] ?? null;
    if (value === null || above === undefined) return value;
    return Math.max(0, value - (this.#history.column(above)[index] ?? 0));
  }

  #options(): uPlot.Options {
    const { left, right } = this.#plan;
    const scales: uPlot.Scales = { x: { range: (_, min, max) => timeRange(min, max) } };
    scales["y"] = scaleOf(left);
    if (right !== undefined) scales["right"] = scaleOf(right);
    return {
      width: Math.max(this.#plot.clientWidth, 100),
      height: this.#height,
      legend: { show: false },
      scales,
      series: [{}, ...this.#drawn.map((line) => this.#series(line))],
      axes: [
        timeAxis(),
        axisOf(left, "y"),
        ...(right === undefined ? [] : [axisOf(right, "right")]),
      ],
      cursor: {
        sync: SYNC,
        drag: { x: false, y: false },
        y: false,
        points: { show: this.#plan.isStack !== true, size: 7 },
      },
      hooks: {
        setCursor: [() => this.#describe()],
        draw: [(chart) => drawMarks(chart, this.#history.marks)],
      },
      padding: [8, right === undefined ? 20 : 0, 0, 0],
    };
  }

  #series(line: Line): uPlot.Series {
    const { fill, dash } = line;
    return {
      scale: line.onRight === true ? "right" : "y",
      stroke: () => colour(line.colour),
      width: 1.75,
      points: { show: false },
      ...(fill === undefined ? {} : { fill: () => colour(fill) }),
      ...(dash === undefined ? {} : { dash }),
    };
  }
}

/** Draws a dashed line at each restart, with its name beside it. */
function drawMarks(chart: uPlot, marks: readonly Mark[]): void {
  const { ctx, bbox } = chart;
  const oldest = chart.scales["x"]?.min ?? Infinity;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour("red");
  ctx.lineWidth = devicePixelRatio;
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  for (const { time, text } of marks) {
    if (time < oldest) continue;
    const x = Math.round(chart.valToPos(time, "x", true));
    ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const gap = 4 * devicePixelRatio;
    const isLeft = x + gap + ctx.measureText(text).width > bbox.left + bbox.width;
    ctx.textAlign = isLeft ? "right" : "left";
    ctx.fillText(text, isLeft ? x - gap : x + gap, bbox.top + 10 * devicePixelRatio);
  }
  ctx.restore();
}

/** Five minutes, or the age of a shorter history. */
function timeRange(first: number, last: number): [number, number] {
  const seconds = Math.min(Math.max(last - first, SPAN_SECONDS_MIN), HISTORY_SECONDS);
  return [last - (Number.isFinite(seconds) ? seconds : HISTORY_SECONDS), last];
}

function scaleOf({ range, isLogarithmic }: Axis): uPlot.Scale {
  const ends: uPlot.Range.MinMax = range(NaN, NaN);
  return {
    distr: isLogarithmic === true ? 3 : 1,
    // uPlot calls this also before the first value.
    range: (_, least, greatest) =>
      Number.isFinite(least) && Number.isFinite(greatest) ? range(least, greatest) : ends,
  };
}

function axisOf({ words, steps, isLogarithmic }: Axis, scale: "y" | "right"): uPlot.Axis {
  const isRight = scale === "right";
  return {
    scale,
    side: isRight ? 1 : 3,
    size: isRight ? 48 : 60,
    gap: 6,
    font: AXIS_FONT,
    stroke: () => colour("ink-2"),
    ticks: { show: false },
    grid: {
      show: !isRight,
      stroke: () => colour("line"),
      width: 1,
      // A logarithmic axis has grid lines only at powers of ten.
      filter: (_, values) =>
        values.map((value) =>
          isLogarithmic === true && Math.log10(value) % 1 !== 0 ? null : value,
        ),
    },
    space: isLogarithmic === true ? 24 : 36,
    values: (_, values: (number | null)[]) =>
      values.map((value) => (value === null ? "" : words(value))),
    ...(steps === undefined ? {} : { incrs: steps }),
  };
}

function timeAxis(): uPlot.Axis {
  return {
    size: 30,
    gap: 6,
    font: AXIS_FONT,
    stroke: () => colour("ink-2"),
    ticks: { show: false },
    grid: { show: false },
    space: 60,
    incrs: [10, 30, 60, 120],
    values: (_, times, __, ___, step) =>
      times.map((time) => timeOfDay(time * 1000).slice(0, step < 60 ? 8 : 5)),
  };
}
