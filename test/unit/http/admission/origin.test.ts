// The origin of a request, from its headers.

import { expect, test } from "bun:test";

import { isForeign } from "../../../../src/http/admission/origin.ts";

test("a default port in only one of Origin and Host makes no difference", () => {
  const isForeignTo = (host: string, origin: string) => isForeign(new Headers({ host, origin }));
  for (const [host, origin] of [
    ["cache.example", "http://cache.example:80"],
    ["cache.example:80", "http://cache.example"],
    ["cache.example:443", "https://cache.example"],
    ["cache.example", "HTTPS://Cache.Example:443"],
    ["[::1]:80", "http://[::1]"],
  ] as const) {
    expect([host, origin, isForeignTo(host, origin)]).toEqual([host, origin, false]);
  }
  for (const [host, origin] of [
    ["cache.example", "http://cache.example:443"],
    ["cache.example:80", "https://cache.example"],
    ["cache.example", "http://cache.example:8080"],
    ["cache.example:8080", "http://cache.example"],
  ] as const) {
    expect([host, origin, isForeignTo(host, origin)]).toEqual([host, origin, true]);
  }
});

test("without a Host each origin is foreign", () => {
  expect(isForeign(new Headers({ origin: "http://x" }))).toBeTrue();
});
