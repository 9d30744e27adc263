// A service process with a data folder.

import { expect, test } from "bun:test";
import { chmod, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { RedisClient } from "bun";
import { Database } from "bun:sqlite";

import { freePort, runToEnd, type ServiceProcess, startService } from "../../lib/service.ts";
import { temporaryFolder } from "../../unit/snapshot/saved.ts";
import { until } from "../../lib/until.ts";

const SMALL = ["--shards", "4", "--virtual-nodes", "16", "--workers", "1", "--memory", "64mb"];

const start = (folder: string, ...options: string[]) =>
  startService([...SMALL, "--data-dir", folder, "--snapshot-interval", "0", ...options]);

async function request(
  service: ServiceProcess,
  path: string,
  body?: unknown,
): Promise<Record<string, unknown>> {
  const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const response = await fetch(service.url + path, init);
  return { code: response.status, ...((await response.json()) as Record<string, unknown>) };
}

const put = (service: ServiceProcess, key: string, value = "v") =>
  request(service, "/put", { key, value });

/** Returns the first log line of an event, when the event is logged. */
async function logged(service: ServiceProcess, event: string): Promise<string> {
  let line: string | undefined;
  await until(`the log has ${event}`, async () => {
    line = (await service.stdout()).split("\n").find((text) => text.includes(` ${event}`));
    return line !== undefined;
  });
  return line ?? "";
}

async function stopped(service: ServiceProcess): Promise<string> {
  service.kill("SIGTERM");
  const { code, stdout, stderr } = await service.exit;
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}

test("entries that were put before SIGTERM are in the cache after the next start", async () => {
  await using folder = await temporaryFolder();
  const data = join(folder.path, "made", "when missing");
  await using first = await start(data);
  await put(first, "k", "value");
  await request(first, "/put", { key: "short", value: "v", ttl: 1000 });
  expect(await stopped(first)).toContain(" info saved entries=2 ");
  await using second = await start(data);
  expect(await request(second, "/get?key=k")).toMatchObject({ code: 200, value: "value" });
  expect(await request(second, "/get?key=short")).toMatchObject({ code: 200 });
  expect(await request(second, "/stats")).toMatchObject({ loaded_count: 2, put_count: 0 });
  expect(await second.stdout()).toContain(" info loaded entries=2 ");
  // The cache did not change, so the service takes no snapshot.
  expect(await stopped(second)).not.toContain(" info saved");
});

test("loaded entries live at most for --max-ttl, as entries that are put", async () => {
  await using folder = await temporaryFolder();
  await using first = await start(folder.path);
  await put(first, "forever");
  await request(first, "/put", { key: "long", value: "v", ttl: 1000 });
  await request(first, "/put", { key: "short", value: "v", ttl: 500 });
  await stopped(first);
  const respPort = freePort();
  const limited = ["--max-ttl", "600", "--resp-port", `${respPort}`];
  await using second = await start(folder.path, ...limited);
  expect(await request(second, "/stats")).toMatchObject({ loaded_count: 3 });
  const client = new RedisClient(`redis://127.0.0.1:${respPort}`);
  const ttls = await Promise.all(["forever", "long", "short"].map((key) => client.ttl(key)));
  client.close();
  for (const [n, limit] of [600, 600, 500].entries()) {
    expect(ttls[n]).toBeLessThanOrEqual(limit);
    expect(ttls[n]).toBeGreaterThan(limit - 30);
  }
});

test("after SIGKILL the next start loads the last snapshot, which POST /snapshot took", async () => {
  await using folder = await temporaryFolder();
  await using first = await start(folder.path);
  await put(first, "before");
  expect(await request(first, "/snapshot", {})).toMatchObject({ code: 200, entries: 1 });
  await put(first, "after");
  first.kill("SIGKILL");
  await first.exit;
  await using second = await start(folder.path);
  expect(await request(second, "/get?key=before")).toMatchObject({ code: 200 });
  expect(await request(second, "/get?key=after")).toMatchObject({ code: 404 });
});

test("a changed cache is saved at every --snapshot-interval", async () => {
  await using folder = await temporaryFolder();
  await using service = await start(folder.path, "--snapshot-interval", "0.05");
  await put(service, "k");
  expect(await logged(service, "saved")).toContain("entries=1");
});

test("each response to concurrent snapshot requests covers the puts before its request", async () => {
  await using folder = await temporaryFolder();
  await using service = await start(folder.path);
  const all = Array.from({ length: 20 }, async (_, n) => {
    await put(service, `k${n}`);
    return request(service, "/snapshot", {});
  });
  for (const { code } of await Promise.all(all)) expect(code).toBe(200);
  service.kill("SIGKILL");
  await service.exit;
  await using second = await start(folder.path);
  expect(await request(second, "/stats")).toMatchObject({ total_items: 20 });
});

test("a second service on the same folder does not start and names the first", async () => {
  await using folder = await temporaryFolder();
  await using first = await start(folder.path);
  await put(first, "k");
  const pid = (await Bun.file(join(folder.path, "ringcache.pid")).text()).trim();
  const options = ["--port", "0", "--resp-port", "0", "--data-dir", folder.path];
  const { code, stdout, stderr } = await runToEnd([...SMALL, ...options]);
  expect([code, stdout]).toEqual([71, ""]);
  expect(stderr).toBe(
    `ringcache: the folder ${folder.path} is in use by process ${pid}; choose another with --data-dir\n`,
  );
});

test("the intact shards of a damaged snapshot are loaded, and the file is kept", async () => {
  await using folder = await temporaryFolder();
  await using first = await start(folder.path);
  for (let n = 0; n < 100; n++) await put(first, `k${n}`);
  await stopped(first);
  const bytes = Buffer.from(await Bun.file(folder.file).arrayBuffer());
  bytes[200] = (bytes[200] ?? 0) ^ 1;
  await Bun.write(folder.file, bytes);

  const options = ["--port", "0", "--resp-port", "0", "--data-dir", folder.path, "--strict-load"];
  const strict = await runToEnd([...SMALL, ...options]);
  expect(strict.code).toBe(65);
  expect(strict.stderr).toContain("shard 0, bytes 56 to");
  expect(strict.stderr).toContain("3 of 4 shards are intact");

  await using second = await start(folder.path);
  const log = await logged(second, "loaded");
  const loaded = Number(/entries=(\d+)/.exec(log)?.[1]);
  expect(loaded).toBeGreaterThan(40);
  expect(loaded).toBeLessThan(100);
  expect(await second.stdout()).toContain(" error snapshot damaged ");
  expect(await request(second, "/stats")).toMatchObject({ snapshot_shards_dropped: 1 });
  // A snapshot is taken although no entry was put: the next start finds an intact file.
  await stopped(second);
  const names = await readdir(folder.path);
  const aside = names.find((name) => name.startsWith("ringcache.snapshot.damaged-")) ?? "";
  expect(Buffer.from(await Bun.file(join(folder.path, aside)).arrayBuffer())).toEqual(bytes);
  await using third = await start(folder.path, "--strict-load");
  expect(await request(third, "/stats")).toMatchObject({ total_items: loaded });
});

test("entries that exceed a limit are logged as a warning, and their file is kept", async () => {
  await using folder = await temporaryFolder();
  await using first = await start(folder.path, "--max-value-length", "5000");
  await put(first, "long", "v".repeat(5000));
  await put(first, "short");
  await stopped(first);
  const bytes = await Bun.file(folder.file).bytes();
  await using second = await start(folder.path, "--max-value-bytes", "1000");
  const line = await logged(second, "loaded");
  expect(line).toContain(" warn loaded entries=1 expired=0 unfit=1 ");
  expect(await second.stdout()).toContain(
    ` info loading file=${folder.file} bytes=${bytes.length}\n`,
  );
  await put(second, "more");
  await stopped(second);
  const aside = (await readdir(folder.path)).filter((name) => name.includes(".unfit-"));
  expect(aside).toHaveLength(1);
  expect(line).toContain(`kept_at=${join(folder.path, aside[0] ?? "")}`);
  expect(await Bun.file(join(folder.path, aside[0] ?? "")).bytes()).toEqual(bytes);
});

test("a snapshot that cannot be read is kept, and the service serves", async () => {
  await using folder = await temporaryFolder();
  // Reading a folder fails for every user.
  await mkdir(folder.file);
  await using service = await start(folder.path);
  expect(await logged(service, "not loaded")).toContain("the snapshot cannot be read");
  await put(service, "k");
  expect(await request(service, "/snapshot", {})).toMatchObject({ code: 200 });
  const names = (await readdir(folder.path)).filter((name) => name.includes("damaged"));
  expect(names).toHaveLength(1);
});

test("a snapshot that cannot be written is logged once, and the last one stays", async () => {
  await using folder = await temporaryFolder();
  await using service = await start(folder.path);
  await put(service, "k");
  await request(service, "/snapshot", {});
  const whole = Buffer.from(await Bun.file(folder.file).arrayBuffer());
  // No file can replace a folder.
  await mkdir(`${folder.file}.tmp`);
  for (let time = 0; time < 2; time++) {
    await put(service, `more${time}`);
    expect(await request(service, "/snapshot", {})).toEqual({
      code: 503,
      status: "ERROR",
      message:
        "the snapshot failed: there is a folder where the file should be (EISDIR); the last good snapshot stays",
    });
  }
  expect(Buffer.from(await Bun.file(folder.file).arrayBuffer())).toEqual(whole);
  expect(await request(service, "/stats")).toMatchObject({ snapshot_failed_count: 2 });
  expect(await request(service, "/get?key=more0")).toMatchObject({ code: 200 });
  await rm(`${folder.file}.tmp`, { recursive: true });
  expect(await request(service, "/snapshot", {})).toMatchObject({ code: 200, entries: 3 });
  const log = await stopped(service);
  expect(log.split("\n").filter((line) => line.includes(" error "))).toHaveLength(1);
});

test("a missing folder fails the snapshot; when it is back, it is used again", async () => {
  await using folder = await temporaryFolder();
  const data = join(folder.path, "data");
  await using service = await start(data);
  await put(service, "k");
  await rm(data, { recursive: true });
  const failed = await request(service, "/snapshot", {});
  expect(failed).toMatchObject({ code: 503 });
  // The last snapshot was removed with the folder.
  expect(failed["message"]).toBe("the snapshot failed: there is no such file or folder (ENOENT)");
  await mkdir(data);
  expect(await request(service, "/snapshot", {})).toMatchObject({ code: 200 });
  // The service has locked the folder again.
  using lock = new Database(join(data, "ringcache.lock"));
  expect(() => lock.run("BEGIN EXCLUSIVE")).toThrow("locked");
});

const startIn = (path: string) =>
  runToEnd([...SMALL, "--port", "0", "--resp-port", "0", "--data-dir", path]);

test("a folder that cannot be created ends the start", async () => {
  const { code, stdout, stderr } = await startIn("/proc/ringcache");
  expect([code, stdout]).toEqual([71, ""]);
  // Root gets ENOENT, other users EACCES.
  const reason = "(it cannot be created \\(ENOENT\\)|this user may not write there \\(EACCES\\))";
  const advice = `let user ${process.getuid?.()} write there, or choose another with --data-dir`;
  expect(stderr).toMatch(
    new RegExp(`^ringcache: the folder /proc/ringcache cannot be used: ${reason}; ${advice}\\n$`),
  );
});

test.skipIf(process.getuid?.() === 0)(
  "a folder that this user may not write to ends the start (skipped for root)",
  async () => {
    await using folder = await temporaryFolder();
    await chmod(folder.path, 0o500);
    const { code, stderr } = await startIn(folder.path);
    expect(code).toBe(71);
    expect(stderr).toContain("cannot be used: this user may not write there (EACCES)");
    await chmod(folder.path, 0o700);
  },
);

test("a file instead of a folder, and --store map, end the start with the reason", async () => {
  await using folder = await temporaryFolder();
  await Bun.write(folder.file, "");
  const file = await runToEnd(["--port", "0", "--resp-port", "0", "--data-dir", folder.file]);
  expect(file).toEqual({
    code: 64,
    stdout: "",
    stderr: `ringcache: --data-dir: "${folder.file}" is a file, not a folder\n`,
  });
  const maps = await runToEnd(["--data-dir", folder.path, "--store", "map"]);
  expect(maps.code).toBe(64);
  expect(maps.stderr).toContain("--data-dir needs --store shared");
});

test("without a data folder POST /snapshot names the option", async () => {
  await using service = await startService(SMALL);
  expect(await request(service, "/snapshot", {})).toMatchObject({
    code: 409,
    message: "there is no folder to save to; start the service with --data-dir",
  });
});

test("check-snapshot prints the contents of a file, and its damages", async () => {
  await using folder = await temporaryFolder();
  await using service = await start(folder.path);
  await put(service, "key", "value");
  await stopped(service);
  const check = async (...args: string[]) => {
    const script = new URL("../../../src/main.ts", import.meta.url).pathname;
    const child = Bun.spawn([process.execPath, script, "check-snapshot", ...args], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const outputs = [new Response(child.stdout).text(), new Response(child.stderr).text()];
    return { code: await child.exited, output: (await Promise.all(outputs)).join("") };
  };
  const whole = await check(folder.file);
  expect(whole.code).toBe(0);
  expect(whole.output).toContain(
    "1 entry: 3 bytes of keys, 5 bytes of values, longest value 5 bytes",
  );
  const bytes = await Bun.file(folder.file).bytes();
  await Bun.write(folder.file, bytes.subarray(0, 100));
  const cut = await check(folder.file);
  expect(cut.code).toBe(65);
  expect(cut.output).toContain("damaged: the end is missing or damaged");
  expect(await check(`${folder.file}.no`)).toMatchObject({ code: 66 });
  expect(await check()).toMatchObject({ code: 64 });
});
