// What axe-core finds on a page, and what else is to be asked of it from the debugger's side: the page's
// policy allows no script but its own.

import type { Page } from "playwright-core";

/** Runs an expression and answers its value. */
async function evaluatorOf(page: Page): Promise<(expression: string) => Promise<unknown>> {
  const session = await page.context().newCDPSession(page);
  return async (expression) => {
    const options = { awaitPromise: true, returnByValue: true };
    const { result } = await session.send("Runtime.evaluate", { expression, ...options });
    return result.value;
  };
}

/** Impact, rule and number of places of what is serious or critical. */
export async function seriousViolations(page: Page): Promise<readonly unknown[]> {
  const evaluate = await evaluatorOf(page);
  const axe = await Bun.file(Bun.resolveSync("axe-core/axe.min.js", import.meta.dir)).text();
  await evaluate(`${axe};0`);
  const violations = await evaluate(
    "axe.run().then((r) => r.violations.map((v) => [v.impact, v.id, v.nodes.length]))",
  );
  return (violations as [string, string, number][]).filter(([impact]) => {
    return impact === "serious" || impact === "critical";
  });
}

export async function fitsItsWidth(page: Page): Promise<unknown> {
  return await (
    await evaluatorOf(page)
  )("document.documentElement.scrollWidth <= innerWidth");
}
