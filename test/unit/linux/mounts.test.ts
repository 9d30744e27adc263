import { expect, test } from "bun:test";

import { isMountPoint } from "../../../src/linux/mounts.ts";

const MOUNTS = `22 1 0:21 / / ro,relatime - overlay overlay rw
36 22 98:0 /var/lib/docker/volumes/x/_data /data rw,noatime master:1 - ext4 /dev/sda1 rw
37 22 98:0 / /mnt/my\\040disk rw - ext4 /dev/sdb1 rw
`;

test("only the exact path of a mount is a mount point", () => {
  const isMounted = (path: string) => isMountPoint(path, () => MOUNTS);
  expect(["/", "/data", "/mnt/my disk"].map(isMounted)).toEqual([true, true, true]);
  expect(["/data/", "/data/x", "/dat", "/mnt", "rw"].map(isMounted)).not.toContain(true);
});

test.skipIf(process.platform !== "linux")("the kernel lists / and /proc", () => {
  expect(["/", "/proc", "/proc/self"].map((path) => isMountPoint(path))).toEqual([
    ...[true, true, false],
  ]);
});
