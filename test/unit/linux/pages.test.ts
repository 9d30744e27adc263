// The pages of this process's code, and of memories that hold only zeros.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { releaseStartCode, releaseZeroPages } from "../../../src/linux/pages.ts";

/** Kilobytes of files, or of other memory, that are resident in this process. */
function residentKb(kind: "File" | "Anon"): number {
  const status = readFileSync("/proc/self/status", "utf8");
  return Number(new RegExp(`^Rss${kind}:\\s+(\\d+)`, "m").exec(status)?.[1]);
}

test.skipIf(process.platform !== "linux")("released code is not resident, and still runs", () => {
  const beforeKb = residentKb("File");
  releaseStartCode();
  expect(residentKb("File")).toBeLessThan(beforeKb * 0.9);
  // Code that has not run since then: a parser, a collection, a compression.
  expect(JSON.parse('{"a":[1]}')).toEqual({ a: [1] });
  Bun.gc(true);
  expect(Bun.gunzipSync(Bun.gzipSync(Buffer.from("a"))).length).toBe(1);
});

test.skipIf(process.platform !== "linux")("pages of zeros are freed, and other bytes stay", () => {
  const bytes = new Uint8Array(new SharedArrayBuffer(2 ** 25)).fill(1).fill(0);
  const used = [0, 5000, 2 ** 24, bytes.length - 1];
  for (const at of used) bytes[at] = 7;
  const beforeKb = residentKb("Anon");
  releaseZeroPages(bytes.buffer);
  expect(residentKb("Anon")).toBeLessThan(beforeKb - 2 ** 14);
  expect(used.map((at) => bytes[at])).toEqual([7, 7, 7, 7]);
  expect(Buffer.from(bytes.buffer).lastIndexOf(7, -2)).toBe(2 ** 24);
  bytes[100] = 1;
  expect(bytes[100]).toBe(1);
});

test("a memory shorter than a page stays as it is", () => {
  const bytes = new Uint8Array(new SharedArrayBuffer(100)).fill(3);
  releaseZeroPages(bytes.buffer);
  expect([...bytes]).toEqual(Array(100).fill(3));
  releaseZeroPages(new SharedArrayBuffer(0));
});
