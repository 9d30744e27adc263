// Plots as SVG files, for bench/results.

import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";

const SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json";

export interface Line {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface Bar {
  /** Panels stand side by side, each with a scale of its own. */
  readonly panel?: string;
  readonly group: string;
  readonly name: string;
  readonly y: number;
}

/** Groups of bars from zero up, each bar with its figure, as the text of an SVG file. */
export function barChart(title: string, yTitle: string, bars: readonly Bar[]): Promise<string> {
  const panels = [...new Set(bars.map(({ panel }) => panel))];
  return svgOf({
    $schema: SCHEMA,
    title: { text: title, anchor: "middle" },
    background: "white",
    hconcat: panels.map((shown) => ({
      title: { text: shown ?? "", fontWeight: "normal" as const },
      data: { values: bars.filter(({ panel }) => panel === shown) },
      height: 280,
      width: { step: 20 },
      encoding: {
        x: {
          field: "group",
          type: "nominal" as const,
          title: null,
          sort: null,
          axis: { labelAngle: -30 },
        },
        xOffset: { field: "name", sort: null },
        y: { field: "y", type: "quantitative" as const, title: yTitle },
      },
      layer: [
        {
          mark: "bar" as const,
          encoding: { color: { field: "name", type: "nominal" as const, title: null, sort: null } },
        },
        {
          mark: { type: "text" as const, dy: -6, fontSize: 9 },
          encoding: { text: { field: "y", format: ".3~r" } },
        },
      ],
    })),
  });
}

/** A chart of lines from zero up, as the text of an SVG file. */
export function lineChart(
  title: string,
  xTitle: string,
  yTitle: string,
  lines: readonly Line[],
): Promise<string> {
  return svgOf({
    $schema: SCHEMA,
    title,
    width: 720,
    height: 320,
    background: "white",
    data: { values: lines.flatMap(({ name, points }) => points.map((at) => ({ ...at, name }))) },
    mark: { type: "line", clip: true },
    encoding: {
      x: { field: "x", type: "quantitative", title: xTitle },
      y: { field: "y", type: "quantitative", title: yTitle, scale: { zero: true } },
      color: { field: "name", type: "nominal", title: null },
    },
  });
}

function svgOf(spec: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile(spec).spec), { renderer: "none" });
  return view.toSVG();
}
