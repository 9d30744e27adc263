// The end of a service that cannot take its last snapshot: the loss of entries is reported.

import { expect, test } from "bun:test";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { RedisClient } from "bun";

import { freePort, startService } from "../../lib/service.ts";
import { temporaryFolder } from "../../unit/snapshot/saved.ts";

/** Starts a service with one unsaved entry. After `breakFolder` no snapshot can be written. */
async function startSaving() {
  const folder = await temporaryFolder();
  const port = freePort();
  const service = await startService([
    ...["--workers", "1", "--resp-port", `${port}`],
    ...["--data-dir", folder.path, "--snapshot-interval", "0"],
  ]);
  const client = new RedisClient(`redis://127.0.0.1:${port}`, { autoReconnect: false });
  await client.set("k", "v");
  const blocked = join(folder.path, "ringcache.snapshot.tmp");
  return {
    ...{ service, client },
    breakFolder: async () => void (await mkdir(blocked)),
    mendFolder: async () => await rm(blocked, { recursive: true }),
    async [Symbol.asyncDispose]() {
      client.close();
      await service[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test("SHUTDOWN that cannot save returns an error, and the service runs until a save succeeds", async () => {
  await using saving = await startSaving();
  const { client, service, breakFolder, mendFolder } = saving;
  await breakFolder();
  for (const words of [["SAVE"], []]) {
    const refused = client.send("SHUTDOWN", words);
    expect(refused).rejects.toThrow("Errors trying to SHUTDOWN. Check logs.");
    await refused.catch(() => {});
  }
  expect(await client.get("k")).toBe("v");
  const info = String(await client.send("INFO", ["commandstats"]));
  expect(info).not.toContain("cmdstat_save:");
  await client.send("SAVE", []).catch(() => {});
  expect(String(await client.send("INFO", ["commandstats"]))).toMatch(
    /cmdstat_save:calls=1,.*failed_calls=1/,
  );
  await mendFolder();
  client.send("SHUTDOWN", []).catch(() => {});
  const { code, stdout } = await service.exit;
  expect(code).toBe(0);
  expect(stdout).toContain("info saved entries=1");
});

test("SIGTERM ends a service that cannot save with exit code 74 and logs the reason", async () => {
  await using saving = await startSaving();
  await saving.breakFolder();
  // The reason is logged here, and again at the end.
  await saving.client.send("SAVE", []).catch(() => {});
  saving.service.kill("SIGTERM");
  const { code, stdout } = await saving.service.exit;
  expect(code).toBe(74);
  expect(stdout).toMatch(/error stopped not_saved=/);
});
