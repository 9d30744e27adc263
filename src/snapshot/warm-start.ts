// The start of a service with a data folder: it claims the folder, loads the last snapshot and logs
// the result.

import type { Cache } from "../cache/cache.ts";
import type { Config } from "../config/config.ts";
import { errorCode } from "../linux/error-code.ts";
import type { Logger } from "../service/logger.ts";
import type { ServiceState } from "../service/service.ts";
import { EXIT_DATA, EXIT_SYSTEM, EXIT_USAGE, StartupError } from "../service/exit.ts";
import { type FileSystem, NotAFileError } from "./file-system.ts";
import { DataFolder, FolderInUseError } from "./folder.ts";
import { describeError, type LoadReport, Snapshots } from "./snapshots.ts";

/** Most damages in one log line; `ringcache check-snapshot` prints all of them. */
const LOGGED_DAMAGES_MAX = 5;

/** Errors that may end without a change of the configuration: the cache serves meanwhile. */
const TRANSIENT_ERRORS = ["ENOSPC", "EDQUOT", "EIO", "ESTALE", "ETIMEDOUT", "EMFILE", "ENFILE"];

/**
 * Claims the data folder. Throws StartupError if another service uses the folder, or if it is not
 * usable, which nearly always means a wrong mount or a wrong owner.
 */
export async function openSnapshots(
  cache: Cache,
  config: Config,
  state: ServiceState,
  logger: Logger,
  files?: FileSystem,
): Promise<Snapshots> {
  const folder = new DataFolder(config.dataDir, files);
  const { path } = folder;
  const snapshots = new Snapshots(cache, folder, state, {
    loading: (bytes) => logger.info("loading", { file: folder.file, bytes }),
    saved: ({ entries, bytes, tookMs }) => {
      logger.info("saved", { entries, bytes, ms: Math.round(tookMs) });
    },
    notSynced(reason) {
      const meaning = "a power failure may restore the previous snapshot";
      logger.warn("snapshot not synced", { folder: path, reason, meaning });
    },
    failed: (reason) => logger.error("snapshot failed", { folder: path, reason }),
  });
  try {
    await folder.claim();
    if (!folder.isLocked) {
      const reason =
        "the file system has no locks: make sure that no other service uses this folder";
      logger.warn("folder not locked", { folder: path, reason });
    }
    if (await folder.isOpenToOthers()) {
      const reason = "every user of this machine may write there: run chmod o-w on it";
      logger.warn("folder open to others", { folder: path, reason });
    }
  } catch (error) {
    if (error instanceof FolderInUseError) {
      throw new StartupError(EXIT_SYSTEM, `${error.message}; choose another with --data-dir`);
    }
    if (["ENOTDIR", "EEXIST"].includes(errorCode(error))) {
      const reason = `"${config.dataDir}" is a file, not a folder`;
      throw new StartupError(EXIT_USAGE, `--data-dir: ${reason}`);
    }
    if (!TRANSIENT_ERRORS.includes(errorCode(error))) {
      const user = process.getuid?.() ?? "of the service";
      const advice = `let user ${user} write there, or choose another with --data-dir`;
      throw new StartupError(
        EXIT_SYSTEM,
        `the folder ${path} cannot be used: ${describeFolderError(error)}; ${advice}`,
      );
    }
    snapshots.failed(error);
  }
  return snapshots;
}

function describeFolderError(error: unknown): string {
  if (errorCode(error) === "ENOENT") return "it cannot be created (ENOENT)";
  if (error instanceof NotAFileError) return `ringcache.lock: ${error.message}`;
  return describeError(error, "write");
}

/**
 * Loads the last snapshot, if there is one. With --strict-load a damaged one throws StartupError.
 */
export async function loadSnapshot(
  snapshots: Snapshots,
  config: Config,
  logger: Logger,
): Promise<void> {
  let report: LoadReport | undefined;
  try {
    report = await snapshots.load(!config.strictLoad);
  } catch (error) {
    const reason = `the snapshot cannot be read: ${describeError(error, "read")}`;
    if (config.strictLoad) throw new StartupError(EXIT_DATA, reason);
    logger.error("not loaded", { reason });
  }
  if (report === undefined) return;
  const { header, damages, intactShards, keptAt = "", tookMs } = report;
  const whole =
    header === undefined
      ? "no shard is intact"
      : `${intactShards} of ${header.shards} shards are intact`;
  if (damages.length > 0) {
    const excess = damages.length - LOGGED_DAMAGES_MAX;
    const more = excess > 0 ? ` and ${excess} more` : "";
    const damage = damages.slice(0, LOGGED_DAMAGES_MAX).join("; ") + more;
    if (config.strictLoad) {
      const state = `the snapshot in ${config.dataDir} is damaged: ${damage}; ${whole}`;
      const advice = "start without --strict-load to load the intact shards";
      throw new StartupError(EXIT_DATA, `${state}; ${advice}`);
    }
    logger.error("snapshot damaged", { whole, damage, kept_at: keptAt });
  }
  const { loaded: entries, expired, unfit } = report;
  const saved = header === undefined ? "" : new Date(header.savedMs).toISOString();
  const fields = { entries, expired, unfit, saved, ms: Math.round(tookMs) };
  if (unfit === 0 || damages.length > 0) logger.info("loaded", fields);
  else {
    const reason =
      "--memory, --max-value-bytes or --max-key-length is lower than when the snapshot was taken";
    logger.warn("loaded", { ...fields, reason, kept_at: keptAt });
  }
}
