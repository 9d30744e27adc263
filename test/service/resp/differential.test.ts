// The first sequences of `bun run stress differential`: transactions, WATCH, scripts, databases and expiry from
// several connections, compared with redis-server. The seeds are fixed. Skipped without redis-server.

import { describe, expect, test } from "bun:test";

import { startRedis } from "../../lib/redis-server.ts";
import { freePort, startService } from "../../lib/service.ts";
import { describeFound, runSequences } from "../../stress/differential/differential.ts";

const SEQUENCES = 50;

describe.skipIf(Bun.which("redis-server") === null)("with redis-server", () => {
  test(`${SEQUENCES} sequences of commands get the replies of redis-server`, async () => {
    const port = freePort();
    await using redis = await startRedis();
    await using _service = await startService(["--resp-port", `${port}`, "--workers", "2"]);
    const ports = [redis.port, port] as const;
    const report = await runSequences(ports, { seed: 1, sequences: SEQUENCES, foundMax: 1 });
    expect(report.found.map(describeFound)).toEqual([]);
    expect(report.sequences).toBe(SEQUENCES);
  }, 120_000);
});
