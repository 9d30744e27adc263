// File systems that lack calls, hang or are full, and files that another user created in the
// folder. The tests replace calls of the FileSystem interface; test/service/snapshot/strace.test.ts
// injects faults into system calls.

import { expect, test } from "bun:test";
import { chmod, lstat, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { ByteBuffer, NEVER } from "../../../src/cache/cache.ts";
import { readConfig } from "../../../src/config/config.ts";
import { Logger } from "../../../src/service/logger.ts";
import { allocateState, ServiceState } from "../../../src/service/service.ts";
import { LockedError, NoLocksError, SYSTEM } from "../../../src/snapshot/file-system.ts";
import { describeError } from "../../../src/snapshot/snapshots.ts";
import { loadSnapshot, openSnapshots } from "../../../src/snapshot/warm-start.ts";
import { StartupError } from "../../../src/service/exit.ts";
import { smallCache, temporaryFolder, valueOf } from "./saved.ts";

class SystemError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`${code}: the system's message`);
    this.code = code;
  }
}

const fail = (code: string) => async (): Promise<void> => {
  throw new SystemError(code);
};

/** A cache with one entry, and the snapshots of a folder whose file system differs by `changes`. */
async function open(path: string, changes: Partial<typeof SYSTEM> = {}) {
  const cache = smallCache();
  const value = { bytes: Buffer.from("v"), start: 0, end: 1 };
  cache.put(ByteBuffer.ofText("k"), value, NEVER, cache.clock.now());
  const log: string[] = [];
  const logger = new Logger("text", "info", (line) => log.push(line.replace(/^\S+ /, "").trim()));
  const state = new ServiceState(allocateState());
  state.phase = "serving";
  const config = readConfig(["--data-dir", path], {});
  const files = { ...SYSTEM, ...changes };
  const snapshots = await openSnapshots(cache, config, state, logger, files);
  return { snapshots, state, log, config, logger, file: join(path, "ringcache.snapshot") };
}

/** The value of the entry, from the file. */
async function savedValue(path: string): Promise<string | undefined> {
  const cache = smallCache();
  const state = new ServiceState(allocateState());
  const config = readConfig(["--data-dir", path], {});
  const logger = new Logger("text", "error", () => {});
  const snapshots = await openSnapshots(cache, config, state, logger, {
    ...SYSTEM,
    lock: () => ({ close() {} }),
  });
  await loadSnapshot(snapshots, config, logger);
  return valueOf(cache, "k");
}

for (const code of ["EINVAL", "EBADF", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EIO", "EACCES"]) {
  test(`a snapshot succeeds although the folder cannot be synced (${code})`, async () => {
    await using folder = await temporaryFolder();
    const { snapshots, state, log } = await open(folder.path, { syncFolder: fail(code) });
    for (let time = 0; time < 2; time++) {
      expect(await snapshots.save()).toMatchObject({ isSaved: true, entries: 1 });
    }
    expect([state.get("saves"), state.get("failedSaves"), state.get("hasSaveFailed")]).toEqual([
      2, 0, 0,
    ]);
    const warnings = log.filter((line) => line.includes("not synced"));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toStartWith("warn snapshot not synced ");
    expect(warnings[0]).toContain(code);
    expect(await savedValue(folder.path)).toBe("v");
  });
}

test("a snapshot succeeds on a file system that cannot sync files", async () => {
  await using folder = await temporaryFolder();
  const { snapshots } = await open(folder.path, { syncFile: fail("EINVAL") });
  expect(await snapshots.save()).toMatchObject({ isSaved: true });
});

test("a full or failing device leaves the previous snapshot", async () => {
  await using folder = await temporaryFolder();
  const first = await open(folder.path);
  await first.snapshots.save();
  const whole = await readFile(first.file);
  const locks = { lock: () => ({ close() {} }) };
  const full = {
    ...locks,
    async create(path: string, mode: number) {
      const handle = await SYSTEM.create(path, mode);
      if (path.endsWith(".tmp")) handle.write = fail("ENOSPC") as unknown as typeof handle.write;
      return handle;
    },
  };
  for (const [changes, reason] of [
    [full, "no space is left on the device (ENOSPC)"],
    [{ ...locks, syncFile: fail("EIO") }, "the device reports an error (EIO)"],
  ] as const) {
    const { snapshots, state } = await open(folder.path, changes);
    expect(await snapshots.save()).toEqual({ isSaved: false, reason, keepsLast: true });
    expect(state.get("failedSaves")).toBe(1);
    expect(await readFile(first.file)).toEqual(whole);
    expect(await readdir(folder.path)).not.toContain("ringcache.snapshot.tmp");
  }
});

test("a first snapshot that fails reports no previous snapshot", async () => {
  await using folder = await temporaryFolder();
  const { snapshots } = await open(folder.path, { syncFile: fail("EIO") });
  expect(await snapshots.save()).toMatchObject({ isSaved: false, keepsLast: false });
});

test("on a file system without locks a warning is logged, and snapshots work", async () => {
  await using folder = await temporaryFolder();
  const lock = () => {
    throw new NoLocksError("the file system has no locks");
  };
  const { snapshots, log } = await open(folder.path, { lock });
  expect(log).toHaveLength(1);
  expect(log[0]).toStartWith(`warn folder not locked folder=${folder.path} `);
  expect(log[0]).toContain("the file system has no locks");
  expect(await snapshots.save()).toMatchObject({ isSaved: true });
  expect(await snapshots.save()).toMatchObject({ isSaved: true });
  expect(await savedValue(folder.path)).toBe("v");
  expect(log.filter((line) => line.includes("not locked"))).toHaveLength(1);
});

test("a folder that another process locked ends the start with 71, also if its pid is unknown", async () => {
  await using folder = await temporaryFolder();
  const lock = () => {
    throw new LockedError("another process holds the lock");
  };
  // The FIFO has no writer: reading it would block forever.
  Bun.spawnSync(["mkfifo", join(folder.path, "ringcache.pid")]);
  const error = await open(folder.path, { lock }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(StartupError);
  expect(error).toMatchObject({ exitCode: 71 });
  expect(String(error)).toContain("is in use by process of unknown number");
});

test("the service replaces links and FIFOs that have the names of its files, and follows none", async () => {
  await using folder = await temporaryFolder();
  await using elsewhere = await temporaryFolder();
  const target = join(elsewhere.path, "target");
  await writeFile(target, "mine", { mode: 0o644 });
  await symlink(target, join(folder.path, "ringcache.pid"));
  const { snapshots, file } = await open(folder.path);
  const temporary = `${file}.tmp`;
  await symlink(target, temporary);
  expect(await snapshots.save()).toMatchObject({ isSaved: true });
  Bun.spawnSync(["mkfifo", temporary]);
  expect(await snapshots.save()).toMatchObject({ isSaved: true });
  const status = await lstat(file);
  expect([status.isFile(), status.mode & 0o777]).toEqual([true, 0o600]);
  expect(await readFile(target, "latin1")).toBe("mine");
  expect((await lstat(target)).mode & 0o777).toBe(0o644);
});

test("a link with the name of the lock file is rejected", async () => {
  await using folder = await temporaryFolder();
  await symlink(join(folder.path, "elsewhere"), join(folder.path, "ringcache.lock"));
  const error = await open(folder.path).catch((reason: unknown) => reason);
  expect(String(error)).toContain("ringcache.lock: it is a symbolic link");
});

for (const kind of ["a FIFO", "a link", "a dangling link"]) {
  test(`${kind} with the name of the snapshot is not loaded, but kept`, async () => {
    await using folder = await temporaryFolder();
    const { snapshots, config, logger, log, file } = await open(folder.path);
    if (kind === "a FIFO") Bun.spawnSync(["mkfifo", file]);
    else {
      const target = join(folder.path, "target");
      if (kind === "a link") await writeFile(target, "");
      await symlink(target, file);
    }
    await loadSnapshot(snapshots, config, logger);
    const found = kind === "a FIFO" ? "not a regular file" : "a symbolic link";
    expect(log.at(-1)).toContain(`not loaded reason="the snapshot cannot be read: it is ${found}`);
    expect(await snapshots.save()).toMatchObject({ isSaved: true });
    expect((await lstat(file)).isFile()).toBe(true);
    const aside = (await readdir(folder.path)).filter((name) => name.includes(".damaged-"));
    expect(aside).toHaveLength(1);
  });
}

test("a folder that every user may write to is logged as a warning", async () => {
  await using folder = await temporaryFolder();
  await chmod(folder.path, 0o777);
  const { log } = await open(folder.path);
  expect(log[0]).toStartWith(`warn folder open to others folder=${folder.path} `);
  await using closed = await temporaryFolder();
  expect((await open(closed.path)).log).toEqual([]);
});

test("the last snapshot gives up when the disk hangs, and when a signal skips it", async () => {
  await using folder = await temporaryFolder();
  const never = Promise.withResolvers<void>();
  const hangs = { syncFile: () => never.promise };
  const { snapshots } = await open(folder.path, hangs);
  const forever = new Promise<string>(() => {});
  expect(await snapshots.saveLast(forever, 1)).toEqual({
    isSaved: false,
    reason: "the disk wrote nothing for 0.001 s",
  });
  // The first snapshot still hangs.
  const reason = "a second SIGTERM skipped the last snapshot";
  expect(await snapshots.saveLast(Promise.resolve(reason))).toEqual({ isSaved: false, reason });
  never.resolve();
  expect(await snapshots.saveLast(forever)).toBeUndefined();
});

test("a folder with the name of the temporary file fails the snapshot with the reason", async () => {
  await using folder = await temporaryFolder();
  const { snapshots, file } = await open(folder.path);
  await mkdir(`${file}.tmp`);
  expect(await snapshots.save()).toMatchObject({
    isSaved: false,
    reason: "there is a folder where the file should be (EISDIR)",
  });
});

test("a permission error says whether this user may not read or may not write", () => {
  for (const code of ["EACCES", "EPERM"]) {
    expect(describeError(new SystemError(code), "read")).toBe(
      `this user may not read it (${code})`,
    );
    expect(describeError(new SystemError(code), "write")).toBe(
      `this user may not write there (${code})`,
    );
  }
});
