// The peak of resident memory under loads of all kinds, each against a fresh service, beside what
// the formula of docs/operations.md allows. Run by `bun run bench memory`. A row beyond the formula, or
// a service that does not survive, fails the run. `--cgroup-mb 256` runs each service in a memory cgroup.

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";

import Table from "cli-table3";

import { PLAN } from "../src/config/memory-plan.ts";
import type { MemoryLoad } from "./lib/memory-load.ts";
import { CLIENT_LOADS } from "./lib/memory-loads-clients.ts";
import { HTTP_LOADS } from "./lib/memory-loads-http.ts";
import { RESP_LOADS, TOKEN } from "./lib/memory-loads-resp.ts";
import { describeMachine } from "./lib/machine.ts";
import { optionsOrExit } from "./lib/options.ts";
import { keepResult } from "./lib/results.ts";
import { startService, startServiceIn } from "./lib/server.ts";

const MB = 2 ** 20;
const CGROUPS = "/sys/fs/cgroup/memory";
const RESP_PORT = 7179;
const PORTS = 2;
const CHILD = new URL("lib/memory-run.ts", import.meta.url).pathname;

const options = optionsOrExit("bench memory", {
  memory: {
    kind: "bytes",
    default: 64 * MB,
    min: MB,
    max: 2 ** 36,
    help: "--memory of the service",
  },
  pending: {
    kind: "bytes",
    default: 16 * MB,
    min: MB,
    max: 2 ** 36,
    help: "its --max-pending-bytes",
  },
  workers: { kind: "integer", default: 2, min: 1, max: 64, help: "its --workers" },
  only: {
    kind: "text",
    default: "",
    placeholder: "text",
    help: "runs the loads whose names have this text",
  },
  cgroupMb: {
    kind: "integer",
    default: 0,
    min: 0,
    max: 1e6,
    help: "limit of a memory cgroup (v1) of its own for each service; 0 is none",
  },
  defaults: {
    kind: "switch",
    default: false,
    help: "leave --memory and --max-pending-bytes to the service",
  },
} as const);

interface Stats {
  readonly planned_memory_bytes: number;
  readonly max_connections: number;
}

interface Row {
  readonly load: string;
  readonly options: readonly string[];
  readonly peakMb: number;
  readonly formulaMb: number;
  readonly ratio: number;
  readonly survived: boolean;
  /** Connections closed and requests refused for their bytes; undefined where the figures ask for a token. */
  readonly refused: number | undefined;
}

const machine = describeMachine();
const rows: Row[] = [];
const table = new Table({
  head: ["load", "options", "peak MB", "formula MB", "ratio", "refused", ""],
  colAligns: ["left", "left", "right", "right", "right", "right", "left"],
  style: { head: [], border: [], compact: true },
});
for (const load of [...RESP_LOADS, ...CLIENT_LOADS, ...HTTP_LOADS]) {
  if (!load.name.includes(options.only)) continue;
  const row = await measure(load);
  rows.push(row);
  const { peakMb, formulaMb, ratio, survived, refused } = row;
  const verdict = survived ? (ratio > 1 ? "beyond" : "") : "ended";
  table.push([
    load.name,
    load.options.join(" "),
    peakMb.toFixed(0),
    formulaMb.toFixed(0),
    ratio.toFixed(2),
    refused ?? "",
    verdict,
  ]);
  process.stderr.write(
    `${load.name}: ${peakMb.toFixed(0)} of ${formulaMb.toFixed(0)} MB ${verdict}\n`,
  );
}
console.log(`${machine}\n${table.toString()}`);
await keepResult("memory", { machine, options, rows });
if (rows.some(({ survived, ratio }) => !survived || ratio > 1)) process.exitCode = 1;

async function measure(load: MemoryLoad): Promise<Row> {
  const cgroup = options.cgroupMb === 0 ? undefined : makeCgroup(load.name, options.cgroupMb * MB);
  const own = ["--memory", `${options.memory}`, "--max-pending-bytes", `${options.pending}`];
  const given = [
    "--workers",
    `${options.workers}`,
    ...(options.defaults ? [] : own),
    ...load.options,
  ];
  const all = ["--resp-port", `${RESP_PORT}`, ...given];
  await using service = await (cgroup === undefined
    ? startService(undefined, ...all)
    : startServiceIn(cgroup, ...all));
  const formulaMb = (await plannedBy(service.url, load.connections)) / MB;
  const ports = [new URL(service.url).port, `${RESP_PORT}`];
  const child = Bun.spawn([process.execPath, CHILD, load.name, ...ports], {
    stdout: "inherit",
    stderr: "inherit",
  });
  await child.exited;
  const survived = existsSync(`/proc/${service.pid}/status`) && (await isAlive(service.url));
  const refused = survived ? await refusedOf(service.url) : undefined;
  const peakMb = survived ? peakBytes(service.pid) / MB : 0;
  await service[Symbol.asyncDispose]();
  if (cgroup !== undefined) rmdirSync(cgroup);
  return {
    load: load.name,
    options: given,
    peakMb,
    formulaMb,
    ratio: peakMb / formulaMb,
    survived,
    refused,
  };
}

/** Bytes that the formula allows a service of these sizes, with the connections of the load. */
async function plannedBy(url: string, connections: number): Promise<number> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const stats = (await (await fetch(`${url}/stats`, { headers })).json()) as Stats;
  const unused = stats.max_connections * PORTS - connections;
  return stats.planned_memory_bytes - PLAN.connectionBytes * unused;
}

/** Those of the reasons that are about bytes. */
async function refusedOf(url: string): Promise<number | undefined> {
  const response = await fetch(`${url}/metrics`).catch(() => undefined);
  if (response?.ok !== true) return undefined;
  const counts = (await response.text()).matchAll(
    /^ringcache_refused_total\{.*reason="(?:\w+_size|pending_\w+)".*\} (\d+)/gm,
  );
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

async function isAlive(url: string): Promise<boolean> {
  return await fetch(`${url}/livez`).then(
    ({ ok }) => ok,
    () => false,
  );
}

function peakBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

function makeCgroup(name: string, bytes: number): string {
  const path = `${CGROUPS}/ringcache-${name.replaceAll(/\W+/g, "-")}`;
  mkdirSync(path, { recursive: true });
  writeFileSync(`${path}/memory.limit_in_bytes`, `${bytes}`);
  return path;
}
