// The whole service on file systems that lack calls or hang; strace injects the faults.

import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { type ServiceProcess, startService } from "../../lib/service.ts";
import { temporaryFolder } from "../../unit/snapshot/saved.ts";
import { until } from "../../lib/until.ts";

/** Whether strace is installed and may trace. */
const hasStrace =
  Bun.which("strace") !== null &&
  Bun.spawnSync(["strace", "-o", "/dev/null", process.execPath, "--version"]).success;

const SMALL = ["--shards", "4", "--virtual-nodes", "16", "--workers", "1", "--memory", "64mb"];

/** Starts the service with faults in the system calls on one file. */
async function start(folder: string, file: string, inject: string): Promise<ServiceProcess> {
  const call = inject.split(":")[0];
  const trace = ["-f", "-o", "/dev/null", "-P", file, "-e", `trace=${call}`];
  const options = [...SMALL, "--data-dir", folder, "--snapshot-interval", "0"];
  const service = await startService(options, {}, [
    ...["strace", ...trace, "-e", `inject=${inject}`, "--"],
  ]);
  return {
    ...service,
    async [Symbol.asyncDispose]() {
      // A killed strace leaves the service running.
      await signal(folder, "SIGKILL").catch(() => {});
      await service[Symbol.asyncDispose]();
    },
  };
}

async function put(service: ServiceProcess): Promise<void> {
  const body = JSON.stringify({ key: "k", value: "v" });
  expect((await fetch(`${service.url}/put`, { method: "POST", body })).status).toBe(200);
}

/** Sends a signal to the service itself, because strace would not pass it on. */
async function signal(folder: string, name: NodeJS.Signals): Promise<void> {
  process.kill(Number(await Bun.file(join(folder, "ringcache.pid")).text()), name);
}

const snapshot = (service: ServiceProcess) => fetch(`${service.url}/snapshot`, { method: "POST" });

/** Waits until the log contains these words. */
async function logged(service: ServiceProcess, words: string): Promise<void> {
  await until(`the log has "${words}"`, async () => (await service.stdout()).includes(words));
}

describe.skipIf(!hasStrace)("with strace", () => {
  test("a folder that cannot be synced (EINVAL)", async () => {
    await using folder = await temporaryFolder();
    await using service = await start(folder.path, folder.path, "fsync:error=EINVAL");
    await put(service);
    expect((await snapshot(service)).status).toBe(200);
    await signal(folder.path, "SIGTERM");
    const { code, stdout } = await service.exit;
    expect(code).toBe(0);
    expect(stdout).toContain(" warn snapshot not synced ");
    expect(stdout).not.toContain(" error ");
  });

  for (const error of ["ENOLCK", "EOPNOTSUPP"]) {
    test(`a file system without locks (${error})`, async () => {
      await using folder = await temporaryFolder();
      const lock = join(folder.path, "ringcache.lock");
      await using service = await start(folder.path, lock, `fcntl:error=${error}`);
      await put(service);
      expect((await snapshot(service)).status).toBe(200);
      await signal(folder.path, "SIGTERM");
      const { code, stdout } = await service.exit;
      expect(code).toBe(0);
      expect(stdout).toContain(" warn folder not locked ");
      expect(stdout).not.toContain(" error ");
    });
  }

  test("a disk that hangs at the end: a second signal skips the last snapshot", async () => {
    await using folder = await temporaryFolder();
    const temporary = `${folder.file}.tmp`;
    await using service = await start(folder.path, temporary, "fsync:delay_enter=1000s");
    await put(service);
    await signal(folder.path, "SIGTERM");
    await logged(service, " info stopping ");
    // Repeated, because a signal within the first moments, or before the snapshot, does not skip
    // it.
    const timer = setInterval(() => void signal(folder.path, "SIGTERM"), 100);
    // The process does not end: strace holds the thread that hangs.
    await logged(service, ' error stopped not_saved="a second SIGTERM skipped the last snapshot"');
    clearInterval(timer);
  });
});
