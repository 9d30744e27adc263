// The short form of `bun run test:proxies`.

import { expect, test } from "bun:test";

import { missingProxies, runProxies } from "./proxies.ts";

const missing = missingProxies();
if (missing.length === 2) console.log(`skipped, not installed: ${missing.join(", ")}`);

test.skipIf(missing.length === 2)(
  "a refused body behind a proxy gets its answer, and the proxy goes on",
  async () => {
    for (const { statuses, expected, ...row } of await runProxies(4, [10_000, 5_000_000])) {
      expect({ ...row, statuses }).toEqual({ ...row, statuses: { [expected]: 4 } });
    }
  },
  60_000,
);
