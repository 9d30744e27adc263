// The dashboard: it receives stats once a second, adds them to the history and shows them. A hidden
// page is not drawn.

import { makeCharts } from "./charts.ts";
import { byId, setText } from "./elements.ts";
import type { LiveStats } from "../live/stats.ts";
import { bytes, text } from "./format.ts";
import { History } from "./history.ts";
import { makeHotKeysTable } from "./hot-keys-table.ts";
import { KeyApi } from "./key-api.ts";
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
new KeyForm(new KeyApi(token));

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
