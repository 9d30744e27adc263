// `bun run stress tier`: nodes in front of a cluster of redis-servers under each fault, then under random
// faults for `--minutes`. Prints one line for each scenario; ends with 1 if any of them complains.

import { optionsOrExit } from "../../../bench/lib/options.ts";
import { random } from "../../lib/random.ts";
import { CONTROLS, runControl } from "./controls.ts";
import { type EngineCluster, MISSING, startCluster } from "./engine.ts";
import { FAULTS, type Fault } from "./faults.ts";
import { MAX_STALE_MS, type TierNode } from "./nodes.ts";
import { missingForPartition, PARTITION, staleInPartition } from "./partition.ts";
import { staleWhileGone } from "./stale.ts";
import { strike } from "./strike.ts";
import { checkUnder, complaints, noticeOtherChanges, quiet, raceFlushes } from "./scenarios.ts";
import { readByteKeys, readInPipelines, staleInCut, startPair } from "./scenarios.ts";

const CUT_SECONDS = 6;
/** The default of --upstream-timeout. */
const TIMEOUT_MS = 1000;
/** Without beats, a node must be stale for longer than this in the cut; with them, for at most D. */
const CUT_CONTROL_MS = 3000;

const { minutes, seconds, rounds, tls } = optionsOrExit("stress tier", {
  minutes: { kind: "integer", default: 0, min: 0, max: 10_000, help: "minutes of random faults" },
  seconds: { kind: "integer", default: 60, min: 1, max: 100_000, help: "seconds of the checker" },
  rounds: {
    kind: "integer",
    default: 1000,
    min: 1,
    max: 1_000_000,
    help: "flushes that race a load",
  },
  tls: { kind: "switch", default: false, help: "a cluster with TLS, and a user with a password" },
} as const);
if (MISSING.length > 0) {
  console.error(`stress tier: install ${MISSING.join(" and ")}`);
  process.exit(1);
}

let failures = 0;
for (const control of CONTROLS) {
  const [right, wrong] = [await runControl(control, false), await runControl(control, true)];
  say(`control: ${control.name}`, right === "new" && wrong === "old" ? [] : [`${right}, ${wrong}`]);
}
await runCluster();
say(
  `FLUSHALL races a load, ${rounds} rounds`,
  atMost(await raceFlushes(rounds), 0, "stale values"),
);
const cutMs = await staleInCut(CUT_SECONDS);
say(`cut of ${CUT_SECONDS} s: old for ${cutMs.toFixed(0)} ms`, atMost(cutMs, MAX_STALE_MS, "ms"));
const controlMs = await staleInCut(CUT_SECONDS, "no beats");
sayControl("cut", controlMs);
process.exit(failures === 0 ? 0 : 1);

async function runCluster(): Promise<void> {
  await using engine = await startCluster(tls);
  await using pair = await startPair(engine);
  const { nodes } = pair;
  await runFault(engine, nodes, quiet(seconds));
  for (const fault of FAULTS) await runFault(engine, nodes, fault);
  const [struck] = nodes;
  if (struck !== undefined) {
    await runStrike(engine, struck, "SIGKILL");
    await runStrike(engine, struck, "SIGSTOP");
  }
  const { reads, stale, errors, staleAfterWrite } = await staleWhileGone(engine);
  say(`--stale-if-error: ${stale} of ${reads} reads stale, ${errors} errors`, [
    ...atMost(errors, 0, "errors for a key that is near"),
    ...atMost(staleAfterWrite, 0, "stale values after a write through the node"),
    ...(stale === 0 ? ["no read was stale"] : []),
  ]);
  const noticed = await noticeOtherChanges(engine, nodes);
  say(`${noticed} changes of other clients`, []);
  const [node] = nodes;
  if (node !== undefined) await readInPipelines(node, engine);
  say("pipelines of GETs", []);
  const bytes = node === undefined ? [] : await readByteKeys(node, engine);
  say("keys of bytes fe and ff", bytes.join() === "ff,fe,ff,fe" ? [] : [bytes.join()]);
  const missing = missingForPartition();
  if (missing === undefined) {
    const staleMs = await staleInPartition(engine, CUT_SECONDS);
    say(`partition: old for ${staleMs.toFixed(0)} ms`, atMost(staleMs, MAX_STALE_MS, "ms"));
    const controlMs = await staleInPartition(engine, CUT_SECONDS, "no beats");
    sayControl("partition", controlMs);
  } else {
    console.log(`skipped  partition by iptables: ${missing}`);
  }
  await runRandomFaults(engine, nodes);
}

async function runRandomFaults(engine: EngineCluster, nodes: readonly TierNode[]): Promise<void> {
  if (minutes === 0) return;
  const draws = random();
  const faults = missingForPartition() === undefined ? [...FAULTS, PARTITION] : FAULTS;
  const endMs = performance.now() + minutes * 60_000;
  while (performance.now() < endMs) {
    const fault = faults[draws.below(faults.length)];
    if (fault !== undefined) await runFault(engine, nodes, fault);
  }
}

async function runFault(
  engine: EngineCluster,
  nodes: readonly TierNode[],
  fault: Fault,
): Promise<void> {
  const report = await checkUnder(engine, nodes, fault);
  const { reads, writes, errors, undecided, worstMs } = report;
  const counts = `${reads} reads, ${writes} writes, ${errors} errors, ${undecided} undecided`;
  const lag = `longest lag ${worstMs.toFixed(1)} ms`;
  say(`${fault.name}: ${counts}, ${lag}`, complaints(report, fault));
  for (const text of report.errorTexts) console.log(`         error: ${text}`);
}

/** Bars: no error for keys of other primaries; a gap of at most a second more than the cluster's own. */
async function runStrike(
  engine: EngineCluster,
  node: TierNode,
  signal: "SIGKILL" | "SIGSTOP",
): Promise<void> {
  const { otherErrors, otherRequests, gapMs, shownMs, longestMs } = await strike(
    engine,
    node,
    signal,
  );
  const times = `gap ${gapMs.toFixed(0)} ms, shown after ${shownMs.toFixed(0)} ms`;
  const errors = `${otherErrors} errors of ${otherRequests} elsewhere`;
  say(`${signal}: ${times}, longest request ${longestMs.toFixed(0)} ms, ${errors}`, [
    ...atMost(otherErrors, 0, "errors for keys of other primaries"),
    ...atMost(gapMs, shownMs + 1000, "ms"),
    ...atMost(longestMs, TIMEOUT_MS + 500, "ms for a request"),
  ]);
}

/** Without beats, the value must be old for longer than CUT_CONTROL_MS: else the scenario proves nothing. */
function sayControl(name: string, staleMs: number): void {
  const isLong = staleMs > CUT_CONTROL_MS;
  say(
    `${name} without beats: old for ${staleMs.toFixed(0)} ms`,
    isLong ? [] : ["the control holds"],
  );
}

function atMost(found: number, limit: number, unit: string): string[] {
  return found <= limit ? [] : [`${found} ${unit}, more than ${limit}`];
}

function say(what: string, found: readonly string[]): void {
  if (found.length > 0) failures++;
  console.log(`${found.length === 0 ? "holds   " : "FAILED  "} ${what}`);
  for (const line of found) console.log(`         ${line}`);
}
