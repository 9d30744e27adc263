import { expect, test } from "bun:test";

import { relayModule, rewriteModule } from "../../../../src/resp/scripting/wasm-rewriter.ts";

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** Imports host.check; a table of one entry; a global; exports `run`. */
const BEFORE_CODE = [
  ...[1, 9, 2, 0x60, 0, 0, 0x60, 1, 0x7f, 1, 0x7f],
  ...[2, 14, 1, 4, 0x68, 0x6f, 0x73, 0x74, 5, 0x63, 0x68, 0x65, 0x63, 0x6b, 0, 0],
  ...[3, 3, 2, 1, 0],
  ...[4, 5, 1, 0x70, 1, 1, 1],
  ...[6, 6, 1, 0x7f, 1, 0x41, 0, 0x0b],
  ...[7, 7, 1, 3, 0x72, 0x75, 0x6e, 0, 1],
];
const REWRITING = {
  functions: { endless: 2 },
  check: "check",
  counter: "counter",
  pages: "pages",
  tableEntries: 3,
};

/** run(n) counts n down to 0 in a loop, and returns 0. `endless` loops for ever. */
function counting(): Uint8Array {
  const run = [0, 0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x20, 0, 0x0b];
  const endless = [0, 0x03, 0x40, 0x0c, 0, 0x0b, 0x0b];
  const body = [2, run.length, ...run, endless.length, ...endless];
  return new Uint8Array([...HEADER, ...BEFORE_CODE, 10, body.length, ...body]);
}

function start(check: () => void): Record<string, unknown> {
  const module = new WebAssembly.Module(rewriteModule(counting(), REWRITING).slice());
  return new WebAssembly.Instance(module, { host: { check } }).exports;
}

test("a rewritten module computes the same, and calls the check once the counter is below 0", () => {
  let checks = 0;
  const exports = start(() => checks++) as unknown as {
    run(n: number): number;
    counter: WebAssembly.Global;
  };
  exports.counter.value = 100;
  expect(exports.run(100)).toBe(0);
  expect(checks).toBe(0);
  expect(exports.counter.value).toBe(0);
  expect(exports.run(5)).toBe(0);
  expect(checks).toBe(5);
});

test("an exception of the check ends an endless loop", () => {
  const exports = start(() => {
    throw new Error("enough");
  }) as unknown as { endless(): void; counter: WebAssembly.Global };
  exports.counter.value = 1_000_000;
  expect(() => exports.endless()).toThrow("enough");
});

test("the host sets what the module takes for the size of its memory", () => {
  const sized = [...HEADER, ...BEFORE_CODE];
  // run(n) returns memory.size. The section of the memory comes before that of the globals.
  const globals = HEADER.length + BEFORE_CODE.length - 8 - 9;
  sized.splice(globals, 0, 5, 3, 1, 0, 7);
  const run = [0, 0x3f, 0, 0x0b];
  const endless = [0, 0x03, 0x40, 0x0c, 0, 0x0b, 0x0b];
  const body = [2, run.length, ...run, endless.length, ...endless];
  const bytes = new Uint8Array([...sized, 10, body.length, ...body]);
  const module = new WebAssembly.Module(rewriteModule(bytes, REWRITING).slice());
  const host = { check() {} };
  const exports = new WebAssembly.Instance(module, { host }).exports as unknown as {
    run(n: number): number;
    pages: WebAssembly.Global;
  };
  exports.pages.value = 3;
  expect(exports.run(0)).toBe(3);
});

test("an unknown instruction and a missing import are errors", () => {
  const module = counting();
  module[module.length - 4] = 0xfd;
  expect(() => rewriteModule(module, REWRITING)).toThrow("unknown instruction 0xfd");
  expect(() => rewriteModule(counting(), { ...REWRITING, check: "nobody" })).toThrow("nobody");
});

test("relays call the functions of the host", () => {
  const module = new WebAssembly.Module(relayModule(2).slice());
  const host = { "0": (n: number) => n + 1, "1": (n: number) => n * 2 };
  const exports = new WebAssembly.Instance(module, { host }).exports as unknown as Record<
    string,
    (n: number) => number
  >;
  expect([exports["0"]?.(20), exports["1"]?.(21)]).toEqual([21, 42]);
});
