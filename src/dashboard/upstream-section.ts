// The section of a node with --upstream: its near cache, and the primaries behind it. It is hidden
// without an upstream.

import type { LiveStats, PrimaryView, UpstreamView } from "../live/stats.ts";
import { byId, make, setText } from "./elements.ts";
import { count, duration, exact, milliseconds, percent, text } from "./format.ts";
import { rowHead, Rows } from "./rows.ts";

/** Slots of a whole upstream. */
const SLOTS = 16_384;

const rate = (value: number): string => text(count(Math.round(value)));

/** The facts of the near cache, in the order of the page. */
const FACTS: Readonly<Record<string, (view: UpstreamView) => string>> = {
  "Near hit ratio": ({ nearHitRatio }) =>
    nearHitRatio === null ? "–" : text(percent(nearHitRatio)),
  "Near hits/s": (view) => rate(view.nearHitsPerSecond),
  "Near misses/s": (view) => rate(view.nearMissesPerSecond),
  "Fills/s": (view) => rate(view.fillsPerSecond),
  "Drops/s": (view) => rate(view.dropsPerSecond),
  "Invalidations/s": (view) => rate(view.invalidationsPerSecond),
  Flushes: ({ flushes }) => exact(flushes),
  "In flight": ({ inFlight }) => exact(inFlight),
  "Errors/s": (view) => rate(view.errorsPerSecond),
};

export function makeUpstreamSection(): (upstream: LiveStats["upstream"]) => void {
  const section = byId("upstream", HTMLElement);
  const words = byId("upstream-words", HTMLElement);
  const list = byId("upstream-facts", HTMLElement);
  const facts = Object.entries(FACTS).map(([name, read]) => {
    const value = make("dd");
    list.append(make("div", "", make("dt", "", name), value));
    return { read, value };
  });
  const rows = new Rows(byId("primaries", HTMLTableElement), () => {
    const address = make("bdi", "key");
    const trust = make("td");
    const beat = make("td", "number");
    const slots = make("td", "number");
    const element = make("tr", "", rowHead("", address), trust, beat, slots);
    return { element, address, trust, beat, slots };
  });
  return (upstream) => {
    section.hidden = upstream === null;
    if (upstream === null) return;
    setText(words, describeUpstream(upstream));
    words.classList.toggle("warning", upstream.slotsCovered < SLOTS);
    for (const { read, value } of facts) setText(value, read(upstream));
    rows.show(upstream.primaries, (row, primary: PrimaryView) => {
      setText(row.address, primary.address);
      setText(row.trust, primary.isTrusted ? "trusted" : "not trusted");
      row.trust.classList.toggle("warning", !primary.isTrusted);
      setText(row.beat, primary.beatAgeMs === null ? "none yet" : beatText(primary.beatAgeMs));
      setText(row.slots, exact(primary.slots));
    });
  };
}

/** Returns what the upstream is, and which part of it is connected. */
export function describeUpstream({ mode, primaries, slotsCovered }: UpstreamView): string {
  if (mode === "unknown") return "The upstream has not been found yet. Requests for keys fail.";
  const name =
    mode === "server" ? "A single server" : `A cluster of ${exact(primaries.length)} primaries`;
  if (slotsCovered >= SLOTS) return `${name}; all slots are connected.`;
  const missing = `${exact(SLOTS - slotsCovered)} of ${exact(SLOTS)} slots are not connected`;
  return `${name}; ${missing}, and requests for their keys fail.`;
}

function beatText(ageMs: number): string {
  return ageMs < 10_000 ? text(milliseconds(Math.round(ageMs))) : duration(ageMs / 1000);
}
