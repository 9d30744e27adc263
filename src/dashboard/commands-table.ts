// The tables of the most frequent commands, and of the reasons for which requests are rejected.

import type { CommandView, RejectionView } from "../live/stats.ts";
import { byId, make, setText } from "./elements.ts";
import { count, exact, text } from "./format.ts";
import { rowHead, Rows } from "./rows.ts";

const PORTS = { http: "HTTP", resp: "Redis" } as const;

/** Returns a function that shows the commands in their table. */
export function makeCommandsTable(): (commands: readonly CommandView[]) => void {
  const table = byId("commands", HTMLTableElement);
  const words = byId("commands-words", HTMLElement);
  const rows = new Rows(table, () => {
    const name = make("bdi", "key");
    const port = make("span", "badge");
    const bar = make("i");
    const rate = make("td", "number");
    const errors = make("td", "number");
    const total = make("td", "number");
    const head = rowHead("", make("div", "name", name, port), make("div", "bar", bar));
    return {
      element: make("tr", "", head, rate, errors, total),
      name,
      port,
      bar,
      rate,
      errors,
      total,
    };
  });
  return (commands) => {
    const most = Math.max(...commands.map(({ callsPerSecond }) => callsPerSecond), 1e-9);
    table.hidden = commands.length === 0;
    setText(
      words,
      commands.length === 0
        ? "No requests since the start."
        : "Requests of the last second; a miss is no error.",
    );
    rows.show(commands, (row, view) => {
      setText(row.name, view.command);
      setText(row.port, PORTS[view.protocol]);
      row.bar.style.transform = `scaleX(${view.callsPerSecond / most})`;
      setText(row.rate, rateText(view.callsPerSecond));
      setText(row.errors, rateText(view.errorsPerSecond));
      row.errors.classList.toggle("warning", view.errorsPerSecond > 0);
      setText(row.total, text(count(view.calls)));
    });
  };
}

/** Returns a function that shows the reasons in their table. */
export function makeRejectionsTable(): (rejections: readonly RejectionView[]) => void {
  const table = byId("rejections", HTMLTableElement);
  const words = byId("rejections-words", HTMLElement);
  const rows = new Rows(table, () => {
    const reason = make("span");
    const port = make("span", "badge");
    const rate = make("td", "number");
    const total = make("td", "number");
    const head = rowHead("", make("div", "name", reason, port));
    return { element: make("tr", "", head, rate, total), reason, port, rate, total };
  });
  return (rejections) => {
    table.hidden = rejections.length === 0;
    setText(
      words,
      rejections.length === 0
        ? "The service has rejected no request and no connection since the start."
        : "Requests that were rejected and connections that were closed.",
    );
    rows.show(rejections, (row, view) => {
      setText(row.reason, view.reason.replaceAll("_", " "));
      setText(row.port, PORTS[view.protocol]);
      setText(row.rate, rateText(view.perSecond));
      row.rate.classList.toggle("warning", view.perSecond > 0);
      setText(row.total, exact(view.count));
    });
  };
}

function rateText(perSecond: number): string {
  // A rate below one is shown with a decimal: 0 would hide it.
  return text(count(perSecond >= 1 ? Math.round(perSecond) : Math.round(perSecond * 10) / 10));
}
