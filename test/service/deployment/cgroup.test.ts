// The service in a real cgroup of version 1 or 2. Only root can make one.

import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";

import { startService } from "../../lib/service.ts";

const MB = 2 ** 20;

/** The folders of the memory controller, and the names of its limit. */
const VERSIONS = [
  { root: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes" },
  { root: "/sys/fs/cgroup", limit: "memory.max" },
];
const name = `ringcache-test-${process.pid}`;
const made: string[] = [];

/** Makes a group with a limit of `mb` MiB inside a parent group; returns undefined if it cannot be made. */
function makeGroup(limitMb: number): string | undefined {
  for (const { root, limit } of VERSIONS) {
    const above = `${root}/${name}`;
    const group = `${above}/inner`;
    try {
      mkdirSync(above);
      made.unshift(above);
      if (!existsSync(`${above}/${limit}`)) continue;
      // Only the group above has a limit, which holds for all groups below.
      writeFileSync(`${above}/${limit}`, String(limitMb * MB));
      mkdirSync(group);
      made.unshift(group);
      return group;
    } catch {
      // This process may not make a group here, or the controller does not exist.
    }
  }
  return undefined;
}

const group = makeGroup(256);

afterAll(() => {
  for (const path of made) rmdirSync(path);
});

test.skipIf(group === undefined)(
  "in a cgroup of 256 MiB the defaults fit, and the service outlives a cache that is filled twice (root, cgroups)",
  async () => {
    const join = `echo $$ > ${group}/cgroup.procs && exec "$@"`;
    const service = await startService(["--max-value-length", "4000"], {}, [
      "/bin/sh",
      "-c",
      join,
      "sh",
    ]);
    try {
      const stats = async () => (await (await fetch(`${service.url}/stats`)).json()) as Stats;
      const { planned_memory_bytes: planned, cache_memory_bytes: memory } = await stats();
      expect(planned).toBeLessThanOrEqual(256 * MB);
      expect(memory).toBeGreaterThan(16 * MB);
      expect(memory).toBeLessThanOrEqual(128 * MB);
      const value = "v".repeat(4000);
      for (let put = 0, n = 0; put < 2 * memory; n++) {
        const entries = Array.from({ length: 250 }, (_, m) => ({ key: `${n}:${m}`, value }));
        const body = JSON.stringify({ entries });
        const { status } = await fetch(`${service.url}/mput`, { method: "POST", body });
        // A busy machine sheds load.
        if (status === 200) put += 250 * value.length;
        else expect(status).toBe(503);
      }
      expect((await stats()).evicted_count).toBeGreaterThan(0);
    } finally {
      service.kill("SIGTERM");
    }
    const { code, stdout } = await service.exit;
    expect(code).toBe(0);
    expect(stdout).not.toContain("too little memory");
  },
);

interface Stats {
  readonly planned_memory_bytes: number;
  readonly cache_memory_bytes: number;
  readonly evicted_count: number;
}
