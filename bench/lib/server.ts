// Servers under test: a process on a core of its own, and the CPU time it spends.

import { readFileSync } from "node:fs";

import { dlopen } from "bun:ffi";

import type { Subprocess } from "bun";

/** The times of /proc/PID/stat are in steps of 10 ms; the CPU clock of a process has nanoseconds. */
const openLibc = () =>
  dlopen("libc.so.6", { clock_gettime: { args: ["i32", "ptr"], returns: "i32" } });
let libc: ReturnType<typeof openLibc> | undefined;
/** CPUCLOCK_SCHED of linux/posix-timers.h: user and system time of all threads of a process. */
const CPU_CLOCK = 2;
const timespec = new BigInt64Array(2);

/** The floors of floors.ts. */
export type FloorName = "static" | "dynamic" | "lru" | "resp";

export interface BenchServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** User and system time of all threads so far. */
  cpuSeconds(): number;
  rssBytes(): number;
}

export interface StartedServer extends BenchServer {
  /** What it said until it listened. */
  readonly log: string;
}

/** Starts the service itself with these options, pinned to `core` if there is one. */
export function startService(
  core: number | undefined,
  ...options: string[]
): Promise<StartedServer> {
  return start(core, [
    path("../../src/main.ts"),
    "--host",
    "127.0.0.1",
    "--port",
    "0",
    "--resp-port",
    "0",
    ...options,
  ]);
}

/** Starts the service in a memory cgroup (v1), so that its defaults follow the group's limit. */
export function startServiceIn(cgroup: string, ...options: string[]): Promise<StartedServer> {
  const join = ["sh", "-c", `echo $$ > ${cgroup}/cgroup.procs && exec "$@"`, "sh"];
  const own = ["--host", "127.0.0.1", "--port", "0", "--resp-port", "0"];
  return startCommand([...join, process.execPath, path("../../src/main.ts"), ...own, ...options]);
}

/** Starts a server of floors.ts, pinned to `core`. */
export function startFloor(name: FloorName, core: number | undefined): Promise<BenchServer> {
  return start(core, [path("floors.ts"), name]);
}

/** The command that runs another on one core; the command itself without a core or a taskset. */
export function pinned(core: number | undefined, command: readonly string[]): string[] {
  return core === undefined || Bun.which("taskset") === null
    ? [...command]
    : ["taskset", "-c", `${core}`, ...command];
}

function start(core: number | undefined, args: readonly string[]): Promise<StartedServer> {
  return startCommand(pinned(core, [process.execPath, ...args]));
}

async function startCommand(command: readonly string[]): Promise<StartedServer> {
  const child = Bun.spawn([...command], { stdout: "pipe", stderr: "inherit" });
  let said = "";
  for await (const chunk of child.stdout) {
    said += Buffer.from(chunk).toString();
    if (/https?:.*\n/.test(said)) break;
  }
  const url = /https?:\/\/[\d.]+:\d+/.exec(said)?.[0];
  if (url === undefined) throw new Error(`a server did not start: ${said}`);
  return { ...benchServer(child, url), log: said };
}

/** A process of any kind as a server under test, which ends with it. */
export function benchServer(child: Subprocess, url: string): BenchServer {
  return {
    url,
    pid: child.pid,
    cpuSeconds() {
      libc ??= openLibc();
      if (libc.symbols.clock_gettime((~child.pid << 3) | CPU_CLOCK, timespec) !== 0) {
        throw new Error(`process ${child.pid} has ended`);
      }
      const [seconds = 0n, nanos = 0n] = timespec;
      return Number(seconds) + Number(nanos) / 1e9;
    },
    rssBytes() {
      const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(
        readFileSync(`/proc/${child.pid}/status`, "utf8"),
      )?.[1];
      return Number(kilobytes) * 1024;
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
    },
  };
}

function path(relative: string): string {
  return new URL(relative, import.meta.url).pathname;
}
