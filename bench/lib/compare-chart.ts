// The chart of bench compare: a panel for each load, a bar for each server, ringcache in colour.

import { logger, None, parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";

import type { Cost } from "./compare-run.ts";

const OURS = "ringcache";
const OURS_COLOUR = "#d9480f";
const OTHER_COLOUR = "#adb5bd";
const FLOOR_COLOUR = "#dee2e6";
const COLUMNS = 4;

export function compareChart(costs: readonly Cost[]): Promise<string> {
  const isHttp = ({ load }: Cost) => load.startsWith("HTTP");
  const groups = [costs.filter((cost) => !isHttp(cost)), costs.filter(isHttp)];
  const spec: TopLevelSpec = {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      ...{ text: "CPU per request, ringcache = 1", subtitle: "less is better", anchor: "start" },
    },
    background: "white",
    vconcat: groups.filter((group) => group.length > 0).map(panelsOf),
    config: { view: { stroke: null }, axisY: { ticks: false, domain: false } },
  };
  // The compiler warns that each panel has servers of its own, which is the intent.
  const { spec: compiled } = compile(spec, { logger: logger(None) });
  return new View(parse(compiled), { renderer: "none" }).toSVG();
}

/** The names of the loads, those of many keys at the end of the row of GET and of SET. */
function orderOf(costs: readonly Cost[]): string[] {
  const loads = [...new Set(costs.map(({ load }) => load))];
  const rowOf = (load: string) => (load.startsWith("M") ? load.slice(1) : load).slice(0, 3);
  return [...Map.groupBy(loads, rowOf).values()].flat();
}

/** A panel for each load, with one scale for all. */
function panelsOf(costs: readonly Cost[]) {
  const values = costs.map(({ load, server, ratio }) => ({
    ...{ load, server, ratio },
    kind: server === OURS ? OURS : server.startsWith("Bun") ? "floor" : "other",
  }));
  const kinds = [OURS, "other", "floor"];
  const text = { type: "text", align: "left", dx: 4, fontSize: 10 } as const;
  const y = {
    ...{ field: "server", type: "nominal" as const, title: null, sort: null },
    axis: { labelLimit: 200 },
  };
  return {
    data: { values },
    facet: { field: "load", type: "nominal" as const, title: null, sort: orderOf(costs) },
    columns: COLUMNS,
    resolve: { scale: { y: "independent" as const } },
    spec: {
      ...{ width: 130, height: { step: 16 } },
      layer: [
        {
          mark: { type: "bar" as const, cornerRadiusEnd: 2 },
          encoding: {
            y,
            x: { field: "ratio", type: "quantitative" as const, title: null, axis: null },
            color: {
              ...{ field: "kind", type: "nominal" as const, legend: null },
              scale: { domain: kinds, range: [OURS_COLOUR, OTHER_COLOUR, FLOOR_COLOUR] },
            },
          },
        },
        {
          mark: { type: "rule" as const, color: OURS_COLOUR, strokeDash: [2, 2] },
          encoding: { x: { datum: 1 } },
        },
        {
          mark: text,
          encoding: {
            y,
            x: { datum: 0 },
            text: { field: "ratio", type: "quantitative" as const, format: ".2f" },
            color: {
              condition: { test: `datum.kind === "${OURS}"`, value: "white" },
              value: "black",
            },
          },
        },
      ],
    },
  };
}
