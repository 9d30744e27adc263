// The mount points that this process sees, as the kernel lists them.

import { readFileSync } from "node:fs";

const MOUNTS = "/proc/self/mountinfo";

/** Returns whether a file system is mounted at exactly this path; false where the kernel has no such list. */
export function isMountPoint(path: string, read = readMounts): boolean {
  // "36 35 98:0 /root /mnt rw,noatime - ext4 /dev/sda1 rw": the fifth field, with octal escapes (proc(5)).
  return read()
    .split("\n")
    .some((line) => unescaped(line.split(" ")[4] ?? "") === path);
}

function unescaped(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(parseInt(octal, 8)),
  );
}

function readMounts(): string {
  return process.platform === "linux" ? readFileSync(MOUNTS, "utf8") : "";
}
