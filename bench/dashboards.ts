// What do dashboards cost that are left open? GETs with and without them, in turn, in one run.
// Run by `bun run bench dashboards`; needs oha. The server is on one core, the load on the other,
// and there too are the listeners, which read the live figures as a browser does.

import { median, min, max } from "simple-statistics";

import { fill, LOAD_CORE, ohaLoads } from "./lib/loads.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { keepResult } from "./lib/results.ts";
import { startFloor, startService } from "./lib/server.ts";

const SERVER_CORE = 0;
const EX_UNAVAILABLE = 69;

const { rounds, requests, dashboards } = optionsOrExit("bench dashboards", {
  rounds: { kind: "integer", default: 7, min: 1, max: 100, help: "pairs of runs" },
  requests: {
    kind: "integer",
    default: 200_000,
    min: 1000,
    max: 100_000_000,
    help: "GETs in a run",
  },
  dashboards: { kind: "integer", default: 20, min: 1, max: 1000, help: "dashboards open at once" },
} as const);
if (Bun.which("oha") === null) {
  console.error("bench dashboards: oha is not on PATH (cargo install --locked oha)");
  process.exit(EX_UNAVAILABLE);
}

interface Run {
  readonly requestsPerSecond: number;
  readonly cpuMicros: number;
}

await using fixed = await startFloor("static", SERVER_CORE);
await using service = await startService(SERVER_CORE, "--workers", "1", "--shed-after-ms", "0");
await fill(service.url);
await using loads = await ohaLoads(service.url, fixed.url, requests);
const without: Run[] = [];
const open: Run[] = [];
for (let round = -1; round < rounds; round++) {
  const exclusively = await run();
  const closing = new AbortController();
  const heard = await listen(closing.signal);
  const watched = await run();
  closing.abort();
  if (heard.events === 0) throw new Error("no dashboard has heard anything");
  // The first round warms up what is compiled as it runs.
  if (round < 0) continue;
  without.push(exclusively);
  open.push(watched);
}

const ratioOf = (name: keyof Run) => open.map((one, n) => one[name] / (without[n]?.[name] ?? NaN));
const shown = (ratios: readonly number[]) => {
  const all = [...ratios];
  return `${median(all).toFixed(3)} (${min(all).toFixed(3)} to ${max(all).toFixed(3)})`;
};
console.log(`${describeMachine()}
${dashboards} dashboards, ${rounds} rounds of ${requests} GETs, server on core ${SERVER_CORE}, load on core ${LOAD_CORE}
throughput × without:       ${shown(ratioOf("requestsPerSecond"))}
CPU of a request × without: ${shown(ratioOf("cpuMicros"))}`);
await keepResult("dashboards", { machine: describeMachine(), dashboards, requests, without, open });

async function run(): Promise<Run> {
  const before = service.cpuSeconds();
  const { requestsPerSecond, requests: sent } = await loads.run("GET");
  return { requestsPerSecond, cpuMicros: ((service.cpuSeconds() - before) / sent) * 1e6 };
}

/** Opens the streams and reads them until the signal. */
async function listen(signal: AbortSignal): Promise<{ events: number }> {
  const heard = { events: 0 };
  const streams = Array.from({ length: dashboards }, () =>
    fetch(`${service.url}/events`, { signal }),
  );
  for (const { body } of await Promise.all(streams)) {
    if (body === null) throw new Error("a stream has no body");
    void (async () => {
      try {
        for await (const _ of body) heard.events++;
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    })();
  }
  return heard;
}
