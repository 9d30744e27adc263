// The pages of this process's code.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { releaseStartCode } from "../../../src/linux/pages.ts";

/** Kilobytes of files that are resident in this process. */
function residentFileKb(): number {
  return Number(/^RssFile:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}

test.skipIf(process.platform !== "linux")("released code is not resident, and still runs", () => {
  const beforeKb = residentFileKb();
  releaseStartCode();
  expect(residentFileKb()).toBeLessThan(beforeKb * 0.9);
  // Code that has not run since then: a parser, a collection, a compression.
  expect(JSON.parse('{"a":[1]}')).toEqual({ a: [1] });
  Bun.gc(true);
  expect(Bun.gunzipSync(Bun.gzipSync(Buffer.from("a"))).length).toBe(1);
});
