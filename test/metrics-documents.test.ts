// The documents about metrics name exactly the metrics of /metrics.

import { expect, test } from "bun:test";

import { startService } from "./lib/service.ts";

const page = (name: string) => Bun.file(new URL(`../docs/${name}`, import.meta.url)).text();

/** Returns the names of all metrics; `all` includes the series of each histogram. */
async function readNames(): Promise<{ families: Set<string>; all: Set<string> }> {
  await using service = await startService(["--workers", "1", "--upstream", "127.0.0.1:1"]);
  const text = await (await fetch(`${service.url}/metrics`)).text();
  const families = new Set([...text.matchAll(/^# HELP (\w+)/gm)].map(([, name = ""]) => name));
  const all = new Set(families);
  for (const [, name = ""] of text.matchAll(/^# TYPE (\w+) histogram/gm)) {
    for (const part of ["bucket", "sum", "count"]) all.add(`${name}_${part}`);
  }
  return { families, all };
}

test("the Grafana dashboard and the alerts use only metrics that exist", async () => {
  const { all } = await readNames();
  for (const name of ["ringcache-grafana.json", "ringcache-alerts.yaml"]) {
    const text = await page(name);
    // A name in a query is followed by labels, a range, an operator or a bracket.
    const named = new Set([...text.matchAll(/\bringcache_\w+/g)].map(([metric]) => metric));
    expect(named.size).toBeGreaterThan(10);
    expect([name, [...named].filter((metric) => !all.has(metric))]).toEqual([name, []]);
  }
});

test("the panels of the Grafana dashboard have queries and do not overlap", async () => {
  const { panels } = JSON.parse(await page("ringcache-grafana.json")) as {
    panels: {
      id: number;
      targets: { expr: string }[];
      gridPos: Record<"x" | "y" | "w" | "h", number>;
    }[];
  };
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const { targets, gridPos } of panels) {
    for (const { expr } of targets) expect(expr).not.toBe("");
    expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    const others = panels.filter(({ gridPos: other }) => other !== gridPos);
    const overlapping = others.filter(
      ({ gridPos: other }) =>
        other.x < gridPos.x + gridPos.w &&
        gridPos.x < other.x + other.w &&
        other.y < gridPos.y + gridPos.h &&
        gridPos.y < other.y + other.h,
    );
    expect(overlapping).toEqual([]);
  }
});

test("each alert has an expression, a summary and an action", async () => {
  const { groups } = Bun.YAML.parse(await page("ringcache-alerts.yaml")) as {
    groups: { rules: { alert: string; expr: string; annotations: Record<string, string> }[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);
  expect(rules.length).toBeGreaterThan(5);
  for (const { alert, expr, annotations } of rules) {
    expect([alert, expr.length > 0, Object.keys(annotations)]).toEqual([
      alert,
      true,
      ["summary", "action"],
    ]);
  }
});

test("docs/operations.md has one row per metric", async () => {
  const { families } = await readNames();
  const [, table = ""] =
    /<!-- metrics -->(.*)<!-- \/metrics -->/s.exec(await page("operations.md")) ?? [];
  const rows = [...table.matchAll(/^\| `(ringcache_\w+)`/gm)].map(([, name = ""]) => name);
  expect(rows.toSorted()).toEqual([...families].toSorted());
});
