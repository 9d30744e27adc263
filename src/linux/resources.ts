// What this process may use of the machine: its own, or less under a cgroup.

import { readFileSync, statSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";

import { errorCode } from "./error-code.ts";

/** Bytes: the machine's memory, or the lowest limit of the process's cgroups. */
export function usableMemoryBytes(): number {
  return Math.min(cgroupMemoryBytes(textOf), totalmem());
}

/**
 * Bytes that a cgroup of version 2 or 1 allows, Infinity without a limit. A limit may be set on any
 * group above one's own. `read` returns the text of a file, or undefined.
 */
export function cgroupMemoryBytes(read: Read): number {
  const limits = groupsOf("memory", read).flatMap(({ version, folders }) => {
    const names = version === 1 ? ["memory.limit_in_bytes"] : ["memory.max", "memory.high"];
    return folders.flatMap((folder) => names.map((name) => `${folder}/${name}`));
  });
  return Math.min(...limits.map((path) => limitOf(read(path))));
}

/** No limit is written as "max", or as a number of more than any machine has. */
function limitOf(text: string | undefined): number {
  const bytes = Number(text?.trim() || NaN);
  return bytes > 0 ? bytes : Infinity;
}

/** Files and sockets that the process may have open, Infinity where that is not known. */
export function descriptorLimit(read: Read = textOf): number {
  const [, soft] = /^Max open files +(\d+)/m.exec(read("/proc/self/limits") ?? "") ?? [];
  return soft === undefined ? Infinity : Number(soft);
}

/** What `read` answers, or undefined while connections have taken all descriptors of the process. */
export function whileDescriptorsLast<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (errorCode(error) === "EMFILE") return undefined;
    throw error;
  }
}

/** Descriptors that this process has open. Undefined before Linux 6.2 and on other systems. */
export function openDescriptors(): number | undefined {
  if (process.platform !== "linux") return undefined;
  const { size } = statSync("/proc/self/fd");
  return size > 0 ? size : undefined;
}

let residentBefore = 0;

/** Bytes of memory that the process has; what it had before, while no descriptor is free to ask with. */
export function residentBytes(): number {
  try {
    residentBefore = process.memoryUsage.rss();
  } catch {
    // The runtime does not say which error it was; a figure must not end the worker that tells it.
  }
  return residentBefore;
}

/** Whole cores, at least 1: those this process may run on, or the cgroup's share of time. */
export function usableCores(): number {
  const cores = Math.min(availableParallelism(), cgroupCores(textOf));
  return Math.max(1, Math.floor(cores));
}

/**
 * Cores' worth of time that a cgroup of version 2 or 1 allows, Infinity without a limit. A limit
 * may be set on any group above one's own. `read` returns the text of a file, or undefined.
 */
export function cgroupCores(read: Read): number {
  const limits = groupsOf("cpu", read).flatMap(({ version, folders }) =>
    folders.map((folder) =>
      version === 1 ? version1Cores(folder, read) : version2Cores(folder, read),
    ),
  );
  return Math.min(...limits);
}

type Read = (path: string) => string | undefined;

interface Groups {
  readonly version: 1 | 2;
  /** The folders of a group and of all groups above it. */
  readonly folders: readonly string[];
}

/** The groups of the process that may limit what a controller is for. */
function groupsOf(controller: string, read: Read): Groups[] {
  const lines = (read("/proc/self/cgroup") ?? "").split("\n");
  return lines.flatMap((line): Groups[] => {
    const [, controllers, path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined) return [];
    if (controllers === "") return [{ version: 2, folders: foldersOf("/sys/fs/cgroup", path) }];
    if (!controllers.split(",").includes(controller)) return [];
    // Controllers that share a mount have one folder with all their names, and often a link with one.
    const mounts = [controller, controllers].map((name) => `/sys/fs/cgroup/${name}`);
    return [{ version: 1, folders: mounts.flatMap((mount) => foldersOf(mount, path)) }];
  });
}

function version2Cores(folder: string, read: Read): number {
  const [quota, period] = (read(`${folder}/cpu.max`) ?? "").trim().split(" ");
  return share(Number(quota), Number(period));
}

function version1Cores(folder: string, read: Read): number {
  const file = `${folder}/cpu.cfs`;
  return share(Number(read(`${file}_quota_us`)), Number(read(`${file}_period_us`)));
}

/** No limit is written as "max" or -1. */
function share(quota: number, period: number): number {
  return quota > 0 && period > 0 ? quota / period : Infinity;
}

/** "/a/b" to the folders of "/a/b", "/a" and "": a container sees its own group as the root. */
function foldersOf(mount: string, path: string): string[] {
  const names = path.split("/").filter((name) => name !== "");
  return Array.from({ length: names.length + 1 }, (_, depth) =>
    [mount, ...names.slice(0, names.length - depth)].join("/"),
  );
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // No such controller here, or no cgroups at all: there is no limit to be read.
    return undefined;
  }
}
