// Checks of a page with axe-core. They run through the debugger, because the page's content
// security policy allows only the page's own scripts.

import type { Page } from "playwright-core";

/** Returns a function that evaluates an expression in the page and returns its value. */
async function createEvaluator(page: Page): Promise<(expression: string) => Promise<unknown>> {
  const session = await page.context().newCDPSession(page);
  return async (expression) => {
    const options = { awaitPromise: true, returnByValue: true };
    const { result } = await session.send("Runtime.evaluate", { expression, ...options });
    return result.value;
  };
}

/** Returns impact, rule and number of elements of each serious or critical violation. */
export async function seriousViolations(page: Page): Promise<readonly unknown[]> {
  const evaluate = await createEvaluator(page);
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
    await createEvaluator(page)
  )("document.documentElement.scrollWidth <= innerWidth");
}
