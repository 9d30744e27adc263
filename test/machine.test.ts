import { expect, test } from "bun:test";

import { cgroupCores, usableCores, usableMemoryBytes } from "../src/machine.ts";

function read(files: Readonly<Record<string, string>>): (path: string) => string | undefined {
  return (path) => files[path];
}

test("without cgroups, or without a limit, cores are not limited", () => {
  expect(cgroupCores(read({}))).toBe(Infinity);
  const unlimited = { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "max 100000\n" };
  expect(cgroupCores(read(unlimited))).toBe(Infinity);
});

test("a container's own group is the root: version 2", () => {
  const files = { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "150000 100000\n" };
  expect(cgroupCores(read(files))).toBe(1.5);
});

test("the lowest limit of all groups above counts: version 2", () => {
  const files = {
    "/proc/self/cgroup": "0::/system.slice/ringcache.service\n",
    "/sys/fs/cgroup/system.slice/ringcache.service/cpu.max": "max 100000\n",
    "/sys/fs/cgroup/system.slice/cpu.max": "300000 100000\n",
  };
  expect(cgroupCores(read(files))).toBe(3);
});

test("version 1 has its limit in two files under the cpu controller", () => {
  const files = {
    "/proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n",
    "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
    "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    "/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us": "-1\n",
    "/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us": "100000\n",
  };
  expect(cgroupCores(read(files))).toBe(2);
});

test("what is not a limit is none", () => {
  for (const text of ["", "150000", "0 0", "150000 0", "no limit"]) {
    const files = { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": text };
    expect(cgroupCores(read(files))).toBe(Infinity);
  }
});

test("this machine has at least one core and some memory", () => {
  expect(usableCores()).toBeGreaterThanOrEqual(1);
  expect(usableMemoryBytes()).toBeGreaterThan(2 ** 24);
});
