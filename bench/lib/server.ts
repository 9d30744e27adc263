// Servers under test: a process on a core of its own, and the CPU time it spends.

import { readFileSync } from "node:fs";

import type { Subprocess } from "bun";

/** Ticks of /proc/PID/stat in a second (USER_HZ, 100 on every Linux that Bun runs on). */
const TICKS_PER_SECOND = 100;

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

/** Starts a server with nothing but a static route, pinned to `core`. */
export function startStatic(core: number): Promise<BenchServer> {
  return start(core, [path("static.ts")]);
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
    if (/http:.*\n/.test(said)) break;
  }
  const url = /http:\/\/[\d.]+:\d+/.exec(said)?.[0];
  if (url === undefined) throw new Error(`a server did not start: ${said}`);
  return { ...benchServer(child, url), log: said };
}

/** A process of any kind as a server under test, which ends with it. */
export function benchServer(child: Subprocess, url: string): BenchServer {
  return {
    url,
    pid: child.pid,
    cpuSeconds() {
      // Fields after the name in parentheses: utime and stime are the 12th and 13th.
      const fields =
        readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
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
