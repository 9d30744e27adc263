// What this process may use of the machine: its own, or less under a cgroup.

import { readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";

/** Bytes: the machine's memory, or the cgroup's limit. */
export function usableMemoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

/** What `read` answers, or undefined while connections have taken all descriptors of the process. */
export function whileDescriptorsLast<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EMFILE") return undefined;
    throw error;
  }
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
 * may be set on any group above one's own. `read` answers the text of a file, or undefined.
 */
export function cgroupCores(read: (path: string) => string | undefined): number {
  let least = Infinity;
  for (const line of (read("/proc/self/cgroup") ?? "").split("\n")) {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const isVersion1 = controllers.split(",").includes("cpu");
    if (controllers !== "" && !isVersion1) continue;
    for (const group of withParents(path)) {
      const limit = isVersion1
        ? version1Limit(controllers, group, read)
        : version2Limit(group, read);
      least = Math.min(least, limit);
    }
  }
  return least;
}

type Read = (path: string) => string | undefined;

function version2Limit(group: string, read: Read): number {
  const [quota, period] = (read(`/sys/fs/cgroup${group}/cpu.max`) ?? "").trim().split(" ");
  return share(Number(quota), Number(period));
}

function version1Limit(controllers: string, group: string, read: Read): number {
  const least = ["cpu", controllers].map((folder) => {
    const file = `/sys/fs/cgroup/${folder}${group}/cpu.cfs`;
    return share(Number(read(`${file}_quota_us`)), Number(read(`${file}_period_us`)));
  });
  return Math.min(...least);
}

/** No limit is written as "max" or -1. */
function share(quota: number, period: number): number {
  return quota > 0 && period > 0 ? quota / period : Infinity;
}

/** "/a/b" to "/a/b", "/a" and "": a container sees its own group as the root. */
function withParents(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "");
  return Array.from({ length: names.length + 1 }, (_, depth) => {
    return names
      .slice(0, names.length - depth)
      .map((name) => `/${name}`)
      .join("");
  });
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // No such controller here, or no cgroups at all: there is no limit to be read.
    return undefined;
  }
}
