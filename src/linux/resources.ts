// The resources that this process may use: those of the machine, or fewer under a cgroup.

import { readFileSync, statSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";

import { errorCode } from "./error-code.ts";

/** Returns the machine's memory, or the lowest limit of the process's cgroups, in bytes. */
export function usableMemoryBytes(): number {
  return Math.min(cgroupMemoryBytes(readTextFile), totalmem());
}

/**
 * Returns the bytes that the cgroups (version 1 or 2) allow, Infinity without a limit. Each group above
 * the process's own one may have a limit. `read` returns the text of a file, or undefined.
 */
export function cgroupMemoryBytes(read: Read): number {
  const limits = controlGroups("memory", read).flatMap(({ version, folders }) => {
    const names = version === 1 ? ["memory.limit_in_bytes"] : ["memory.max", "memory.high"];
    return folders.flatMap((folder) => names.map((name) => `${folder}/${name}`));
  });
  return Math.min(...limits.map((path) => parseLimit(read(path))));
}

/** Returns Infinity for "max" and other texts; without a limit, version 1 has a number above any memory. */
function parseLimit(text: string | undefined): number {
  const bytes = Number(text?.trim() || NaN);
  return bytes > 0 ? bytes : Infinity;
}

/** Returns the most files and sockets that the process may open; Infinity if the limit is unknown. */
export function descriptorLimit(read: Read = readTextFile): number {
  const [, soft] = /^Max open files +(\d+)/m.exec(read("/proc/self/limits") ?? "") ?? [];
  return soft === undefined ? Infinity : Number(soft);
}

/** Returns the result of `read`, or undefined while all descriptors of the process are taken. */
export function whileDescriptorsLast<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (errorCode(error) === "EMFILE") return undefined;
    throw error;
  }
}

/** Returns the number of open descriptors; undefined before Linux 6.2 and on other systems. */
export function openDescriptors(): number | undefined {
  if (process.platform !== "linux") return undefined;
  const { size } = statSync("/proc/self/fd");
  return size > 0 ? size : undefined;
}

let lastResidentBytes = 0;

/** Returns the resident memory in bytes; the last known number while all descriptors are taken. */
export function residentBytes(): number {
  try {
    lastResidentBytes = process.memoryUsage.rss();
  } catch {
    // The runtime does not give the cause. A statistic must not end the worker.
  }
  return lastResidentBytes;
}

/** Returns whole cores, at least 1: the cores of the process, or the CPU time of its cgroup. */
export function usableCores(): number {
  const cores = Math.min(availableParallelism(), cgroupCores(readTextFile));
  return Math.max(1, Math.floor(cores));
}

/**
 * Returns the CPU time that the cgroups (version 1 or 2) allow, in cores; Infinity without a limit. Each
 * group above the process's own one may have a limit. `read` returns the text of a file, or undefined.
 */
export function cgroupCores(read: Read): number {
  const limits = controlGroups("cpu", read).flatMap(({ version, folders }) =>
    folders.map((folder) =>
      version === 1 ? version1Cores(folder, read) : version2Cores(folder, read),
    ),
  );
  return Math.min(...limits);
}

type Read = (path: string) => string | undefined;

interface Groups {
  readonly version: 1 | 2;
  /** The folders of a group, and of all groups above it. */
  readonly folders: readonly string[];
}

/** Returns the groups of the process that the controller may limit. */
function controlGroups(controller: string, read: Read): Groups[] {
  const lines = (read("/proc/self/cgroup") ?? "").split("\n");
  return lines.flatMap((line): Groups[] => {
    const [, controllers, path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined) return [];
    if (controllers === "") return [{ version: 2, folders: groupFolders("/sys/fs/cgroup", path) }];
    if (!controllers.split(",").includes(controller)) return [];
    // Controllers that share a mount have one folder with all their names, and often a link for each name.
    const mounts = [controller, controllers].map((name) => `/sys/fs/cgroup/${name}`);
    return [{ version: 1, folders: mounts.flatMap((mount) => groupFolders(mount, path)) }];
  });
}

function version2Cores(folder: string, read: Read): number {
  const [quota, period] = (read(`${folder}/cpu.max`) ?? "").trim().split(" ");
  return quotaCores(Number(quota), Number(period));
}

function version1Cores(folder: string, read: Read): number {
  const file = `${folder}/cpu.cfs`;
  return quotaCores(Number(read(`${file}_quota_us`)), Number(read(`${file}_period_us`)));
}

/** Without a limit, the quota is "max" or -1. */
function quotaCores(quota: number, period: number): number {
  return quota > 0 && period > 0 ? quota / period : Infinity;
}

/** Returns the folders of "/a/b", "/a" and "" for "/a/b": a container sees its own group as the root. */
function groupFolders(mount: string, path: string): string[] {
  const names = path.split("/").filter((name) => name !== "");
  return Array.from({ length: names.length + 1 }, (_, depth) =>
    [mount, ...names.slice(0, names.length - depth)].join("/"),
  );
}

function readTextFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // The controller, or cgroups as a whole, do not exist here: there is no limit.
    return undefined;
  }
}
