// The short form of `bun run stress proxies`.

import { expect, test } from "bun:test";

import { isInstalled } from "./proxies.ts";
import { PROXIES, runRejections } from "./rejections.ts";

const isAnyInstalled = PROXIES.some(isInstalled);
if (!isAnyInstalled) console.log("skipped, not installed: nginx, haproxy");

test.skipIf(!isAnyInstalled)(
  "a client behind a proxy receives each error response, and the proxy keeps using the service",
  async () => {
    for (const { statuses, expected, ...row } of await runRejections(4, [10_000, 5_000_000])) {
      expect({ ...row, statuses }).toEqual({ ...row, statuses: { [expected]: 4 } });
    }
  },
  60_000,
);
