// Plots as SVG files, for bench/results.

import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";

const SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json";

export interface Line {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface Bar {
  readonly group: string;
  readonly name: string;
  readonly y: number;
}

/** Groups of bars from zero up, as the text of an SVG file. */
export function barChart(title: string, yTitle: string, bars: readonly Bar[]): Promise<string> {
  return svgOf({
    $schema: SCHEMA,
    title,
    height: 320,
    background: "white",
    data: { values: [...bars] },
    mark: "bar",
    encoding: {
      x: { field: "group", type: "nominal", title: null, sort: null },
      xOffset: { field: "name", sort: null },
      y: { field: "y", type: "quantitative", title: yTitle },
      color: { field: "name", type: "nominal", title: null, sort: null },
    },
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
