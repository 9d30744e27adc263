// The chart of bench compare: a panel for each load, a bar for each server, ringcache in colour.

import { logger, None, parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";

import type { Cost } from "./compare-run.ts";

const OURS = "ringcache";
const OURS_COLOUR = "#d9480f";
const OTHER_COLOUR = "#adb5bd";
const FLOOR_COLOUR = "#dee2e6";
const COLUMNS = 3;

export function compareChart(costs: readonly Cost[]): Promise<string> {
  const values = costs.map(({ load, server, ratio }) => ({
    ...{ load, server, ratio },
    kind: server === OURS ? OURS : server.startsWith("Bun") ? "floor" : "other",
  }));
  const loads = [...new Set(values.map(({ load }) => load))];
  const spec: TopLevelSpec = {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      ...{ text: "CPU per request, ringcache = 1", subtitle: "less is better", anchor: "start" },
    },
    background: "white",
    data: { values },
    facet: { field: "load", type: "nominal", title: null, sort: loads },
    columns: COLUMNS,
    spec: {
      ...{ width: 170, height: { step: 16 } },
      encoding: {
        y: { field: "server", type: "nominal", title: null, sort: null, axis: { labelLimit: 200 } },
        x: { field: "ratio", type: "quantitative", title: null, axis: null },
      },
      layer: [
        {
          mark: { type: "bar", cornerRadiusEnd: 2 },
          encoding: {
            color: {
              ...{ field: "kind", type: "nominal", legend: null },
              scale: {
                domain: [OURS, "other", "floor"],
                range: [OURS_COLOUR, OTHER_COLOUR, FLOOR_COLOUR],
              },
            },
          },
        },
        {
          mark: { type: "rule", color: OURS_COLOUR, opacity: 0.5 },
          encoding: { x: { datum: 1 }, y: {} },
        },
        {
          mark: { type: "text", align: "left", dx: 3, fontSize: 10 },
          encoding: { text: { field: "ratio", type: "quantitative", format: ".2f" } },
        },
      ],
    },
    resolve: { scale: { y: "independent" } },
    config: { view: { stroke: null }, axisY: { ticks: false, domain: false } },
  };
  // The compiler warns that each panel has servers of its own, which is the intent.
  const { spec: compiled } = compile(spec, { logger: logger(None) });
  return new View(parse(compiled), { renderer: "none" }).toSVG();
}
