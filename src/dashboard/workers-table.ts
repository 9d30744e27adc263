// The table of workers and their load.

import { byId, make, setText } from "./elements.ts";
import type { WorkerView } from "../live/stats.ts";
import { count, text } from "./format.ts";
import { rowHead, Rows } from "./rows.ts";

/** Returns a function that shows the workers in their table. */
export function makeWorkersTable(): (workers: readonly WorkerView[]) => void {
  const rows = new Rows(byId("workers", HTMLTableElement), () => {
    const head = rowHead("");
    const bar = make("i");
    const load = make("span", "number");
    const requests = make("td", "number");
    const loadCell = make("td", "", make("div", "load", make("div", "bar", bar), load));
    return { element: make("tr", "", head, loadCell, requests), head, bar, load, requests };
  });
  return (workers) => {
    rows.show(workers, ({ head, bar, load, requests }, view) => {
      setText(head, String(view.worker));
      bar.style.transform = `scaleX(${Math.min(Math.max(view.load, 0), 1)})`;
      setText(load, `${Math.round(view.load * 100)}\u00a0%`);
      setText(requests, text(count(Math.round(view.requestsPerSecond))));
    });
  };
}
