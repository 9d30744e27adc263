// The dashboard: figures come once a second, are kept for the charts and shown. Nothing is drawn
// while nobody can see it.

import { makeCharts } from "./charts.ts";
import { byId, setText } from "./elements.ts";
import type { LiveStats } from "../live/stats.ts";
import { bytes, text } from "./format.ts";
import { History } from "./history.ts";
import { makeHotKeysTable } from "./hot-keys-table.ts";
import { KeyCalls } from "./key-calls.ts";
import { KeyForm } from "./key-form.ts";
import { subscribe } from "./live.ts";
import { ShardsSection } from "./shards-section.ts";
import { StatusBar } from "./status-bar.ts";
import { makeTiles } from "./tiles.ts";
import { Token } from "./token.ts";
import { makeWorkersTable } from "./workers-table.ts";

const history = new History();
const statusBar = new StatusBar();
const showTiles = makeTiles(history);
const drawCharts = makeCharts(history);
const showHotKeys = makeHotKeysTable();
const showWorkers = makeWorkersTable();
const shards = new ShardsSection();
const resident = byId("resident", HTMLElement);
const token = new Token();
new KeyForm(new KeyCalls(token));

let latest: LiveStats | undefined;

function draw(): void {
  if (latest === undefined || document.hidden) return;
  showTiles(latest);
  drawCharts();
  showHotKeys(latest.hotKeys);
  showWorkers(latest.workers);
  shards.show(latest);
  setText(resident, text(bytes(latest.residentBytes)));
}

document.addEventListener("visibilitychange", draw);

void subscribe("events", token, {
  stats(stats) {
    latest = stats;
    history.add(stats);
    statusBar.show(stats);
    draw();
  },
  lost: () => statusBar.lost(),
  locked: () => statusBar.locked(),
});
