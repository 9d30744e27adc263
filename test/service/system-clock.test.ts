// The system's clock as the whole service sees it, set by libfaketime.

import { RedisClient } from "bun";
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { freePort, startService } from "../lib/service.ts";

const LIBRARY = ["x86_64", "aarch64"]
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((path) => existsSync(path));
if (LIBRARY === undefined) console.log("skipped without libfaketime: steps of the system's clock");
const HOUR = 3600;

test.skipIf(LIBRARY === undefined)(
  "times of day follow every step of the system's clock, and lifetimes do not",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "ringcache-clock-"));
    const file = join(folder, "step");
    const set = (seconds: number) => writeFile(file, `${seconds < 0 ? "" : "+"}${seconds}`);
    await set(0);
    const port = freePort();
    await using service = await startService(["--resp-port", String(port), "--workers", "2"], {
      LD_PRELOAD: LIBRARY ?? "",
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    });
    try {
      const client = new RedisClient(`redis://127.0.0.1:${port}`);
      const ask = (command: string): Promise<unknown> => {
        const [name = "", ...words] = command.split(" ");
        return client.send(name, words);
      };
      const time = async () => Number((await client.send("TIME", []))[0]);
      const isNow = async (step: number) =>
        Math.abs((await time()) - Date.now() / 1000 - step) < HOUR / 4;
      expect(await ask("SET old v EX 1800")).toBe("OK");
      for (const step of [HOUR, 0, -HOUR, 0, HOUR, -HOUR]) {
        await set(step);
        expect(await isNow(step)).toBe(true);
        const info = String(await ask("INFO server"));
        const infoMs = Number(/server_time_usec:(\d+)/.exec(info)?.[1]) / 1000;
        expect(Math.abs(infoMs / 1000 - (await time()))).toBeLessThan(HOUR / 4);
        const end = (await time()) + 1000;
        await ask("SET k v");
        expect(await ask(`EXPIREAT k ${end}`)).toBe(1);
        expect(await ask("EXPIRETIME k")).toBe(end);
        const left = await ask("TTL k");
        expect(left).toBeGreaterThan(500);
        expect(left).toBeLessThanOrEqual(1001);
        await ask(`GETEX k PXAT ${end * 1000 + 7}`);
        expect(await ask("PEXPIRETIME k")).toBe(end * 1000 + 7);
        const oldLeft = await ask("TTL old");
        expect(oldLeft).toBeGreaterThan(900);
        expect(oldLeft).toBeLessThanOrEqual(1800);
      }
      client.close();
    } finally {
      service.kill("SIGKILL");
      await service.exit;
      await rm(folder, { recursive: true });
    }
  },
);
