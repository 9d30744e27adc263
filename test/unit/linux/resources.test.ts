import { expect, test } from "bun:test";

import {
  cgroupCores,
  cgroupMemoryBytes,
  descriptorLimit,
  usableCores,
  usableMemoryBytes,
} from "../../../src/linux/resources.ts";

function read(files: Readonly<Record<string, string>>): (path: string) => string | undefined {
  return (path) => files[path];
}

test("without cgroups, or without a limit, cores are not limited", () => {
  expect(cgroupCores(read({}))).toBe(Infinity);
  const unlimited = { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "max 100000\n" };
  expect(cgroupCores(read(unlimited))).toBe(Infinity);
});

test("version 2: a container's own group is the root", () => {
  const files = { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": "150000 100000\n" };
  expect(cgroupCores(read(files))).toBe(1.5);
});

test("version 2: the lowest limit of all groups above counts", () => {
  const files = {
    "/proc/self/cgroup": "0::/system.slice/ringcache.service\n",
    "/sys/fs/cgroup/system.slice/ringcache.service/cpu.max": "max 100000\n",
    "/sys/fs/cgroup/system.slice/cpu.max": "300000 100000\n",
  };
  expect(cgroupCores(read(files))).toBe(3);
});

test("version 1: the cpu controller has the limit in two files", () => {
  const files = {
    "/proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n",
    "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
    "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    "/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us": "-1\n",
    "/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us": "100000\n",
  };
  expect(cgroupCores(read(files))).toBe(2);
});

test("a text that is not a number is no limit", () => {
  for (const text of ["", "150000", "0 0", "150000 0", "no limit"]) {
    const files = { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/cpu.max": text };
    expect(cgroupCores(read(files))).toBe(Infinity);
  }
});

test("without cgroups, or without a limit, memory is not limited", () => {
  expect(cgroupMemoryBytes(read({}))).toBe(Infinity);
  const files = { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "max\n" };
  expect(cgroupMemoryBytes(read(files))).toBe(Infinity);
});

test("version 2: the lowest memory limit of all groups above counts", () => {
  const files = {
    "/proc/self/cgroup": "0::/kubepods/pod1/container\n",
    "/sys/fs/cgroup/kubepods/pod1/container/memory.max": "536870912\n",
    "/sys/fs/cgroup/kubepods/pod1/memory.max": "268435456\n",
    "/sys/fs/cgroup/kubepods/memory.max": "max\n",
  };
  expect(cgroupMemoryBytes(read(files))).toBe(2 ** 28);
  const high = { ...files, "/sys/fs/cgroup/kubepods/memory.high": "134217728\n" };
  expect(cgroupMemoryBytes(read(high))).toBe(2 ** 27);
});

test("version 1: the memory controller has the limit, and the lowest of all groups counts", () => {
  const none = "9223372036854771712\n";
  const files = {
    "/proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n",
    "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": none,
    "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes": "1073741824\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": none,
  };
  expect(cgroupMemoryBytes(read(files))).toBe(2 ** 30);
  // In a container the mount shows the container's own group as the root.
  const inside = {
    "/proc/self/cgroup": "4:memory:/docker/abc\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "134217728\n",
  };
  expect(cgroupMemoryBytes(read(inside))).toBe(2 ** 27);
});

test("the limit of open files is the soft one", () => {
  const limits = "Max processes  1 2 processes\nMax open files            64   4096   files\n";
  expect(descriptorLimit(read({ "/proc/self/limits": limits }))).toBe(64);
  const none = "Max open files            unlimited   unlimited   files\n";
  expect(descriptorLimit(read({ "/proc/self/limits": none }))).toBe(Infinity);
  expect(descriptorLimit(read({}))).toBe(Infinity);
  expect(descriptorLimit()).toBeGreaterThan(16);
});

test("this machine has at least one core and some memory", () => {
  expect(usableCores()).toBeGreaterThanOrEqual(1);
  expect(usableMemoryBytes()).toBeGreaterThan(2 ** 24);
});
