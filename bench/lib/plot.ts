// Plots as SVG files, for bench/results.

import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";

export interface Line {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** A chart of lines from zero up, as the text of an SVG file. */
export async function lineChart(
  title: string,
  xTitle: string,
  yTitle: string,
  lines: readonly Line[],
): Promise<string> {
  const spec: TopLevelSpec = {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
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
  };
  const view = new View(parse(compile(spec).spec), { renderer: "none" });
  return await view.toSVG();
}
