// The dashboard: it receives stats once a second, adds them to the history and shows them. A hidden
// page is not drawn.

import { makeCharts, makeUpstreamCharts } from "./charts.ts";
import { makeCommandsTable, makeRejectionsTable } from "./commands-table.ts";
import { byId, setText } from "./elements.ts";
import { sampleOf } from "../live/history.ts";
import type { LiveStats } from "../live/stats.ts";
import { bytes, text } from "./format.ts";
import { History } from "./history.ts";
import { makeHotKeysTable } from "./hot-keys-table.ts";
import { KeyBrowser } from "./key-browser.ts";
import { KeyApi } from "./key-api.ts";
import { KeyForm } from "./key-form.ts";
import { subscribe } from "./live.ts";
import { ShardsSection } from "./shards-section.ts";
import { StatusBar } from "./status-bar.ts";
import { makeTiles } from "./tiles.ts";
import { Token } from "./token.ts";
import { makeUpstreamSection } from "./upstream-section.ts";
import { makeWorkersTable } from "./workers-table.ts";

const history = new History();
const statusBar = new StatusBar();
const showTiles = makeTiles(history);
const drawCharts = makeCharts(history);
const showUpstream = makeUpstreamSection();
/** Made when the service turns out to have an upstream: a hidden chart has no width. */
let drawUpstreamCharts: (() => void) | undefined;
const showCommands = makeCommandsTable();
const showRejections = makeRejectionsTable();
const showWorkers = makeWorkersTable();
const shards = new ShardsSection();
const resident = byId("resident", HTMLElement);
const token = new Token();
const keyApi = new KeyApi(token);
const keyForm = new KeyForm(keyApi);
const openKey = (key: string): void => keyForm.open(key);
new KeyBrowser(keyApi, openKey);
const showHotKeys = makeHotKeysTable(openKey);

let latest: LiveStats | undefined;

function draw(): void {
  if (latest === undefined || document.hidden) return;
  showTiles(latest);
  drawCharts();
  showUpstream(latest.upstream);
  if (latest.upstream !== null) (drawUpstreamCharts ??= makeUpstreamCharts(history))();
  showCommands(latest.commands);
  showRejections(latest.rejections);
  showHotKeys(latest.hotKeys);
  showWorkers(latest.workers);
  shards.show(latest);
  setText(resident, text(bytes(latest.residentBytes)));
}

document.addEventListener("visibilitychange", draw);

void subscribe("events", token, {
  past: (samples) => history.addPast(samples),
  stats(stats) {
    latest = stats;
    history.add(sampleOf(stats), stats.timeMs / 1000 - stats.uptimeSeconds);
    statusBar.show(stats);
    draw();
  },
  lost: () => statusBar.lost(),
  locked: () => statusBar.locked(),
});
