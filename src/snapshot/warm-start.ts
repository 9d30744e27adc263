// What a service with a data folder does at its start: takes the folder, loads the last
// snapshot, and tells the log of it.

import type { Cache } from "../cache/cache.ts";
import type { Config } from "../config/config.ts";
import type { Logger } from "../service/logger.ts";
import type { ServiceState } from "../service/service.ts";
import { EXIT_DATA, EXIT_SYSTEM, EXIT_USAGE, StartupError } from "../service/exit.ts";
import { codeOf, type FileSystem, NotAFileError } from "./file-system.ts";
import { DataFolder, FolderInUseError } from "./folder.ts";
import { type LoadReport, reasonOf, Snapshots } from "./snapshots.ts";

/** What is wrong with a snapshot, in its line of the log; `bun run check-snapshot` has the rest. */
const SHOWN_DAMAGES = 5;

/** Errors of a folder that is the right one, and will do again: the cache serves meanwhile. */
const PASSING = ["ENOSPC", "EDQUOT", "EIO", "ESTALE", "ETIMEDOUT", "EMFILE", "ENFILE"];

/**
 * Takes the folder. Throws StartupError for one that another service has, and for one that cannot be
 * used at all, which is nearly always a wrong mount or a wrong owner.
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
      const meaning = "a power failure may bring back the snapshot before";
      logger.warn("snapshot not synced", { folder: path, reason, meaning });
    },
    failed: (reason) => logger.error("snapshot failed", { folder: path, reason }),
  });
  try {
    await folder.claim();
    if (!folder.isLocked) {
      const reason = "its file system has no locks: no other service may use this folder";
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
    if (["ENOTDIR", "EEXIST"].includes(codeOf(error))) {
      const reason = `"${config.dataDir}" is a file, not a folder`;
      throw new StartupError(EXIT_USAGE, `--data-dir: ${reason}`);
    }
    if (!PASSING.includes(codeOf(error))) {
      const right = `let user ${process.getuid?.() ?? "of the service"} write there, or choose another with --data-dir`;
      throw new StartupError(
        EXIT_SYSTEM,
        `the folder ${path} cannot be used: ${folderReasonOf(error)}; ${right}`,
      );
    }
    snapshots.failed(error);
  }
  return snapshots;
}

function folderReasonOf(error: unknown): string {
  if (codeOf(error) === "ENOENT") return "it cannot be made (ENOENT)";
  if (error instanceof NotAFileError) return `in the place of ringcache.lock, ${error.message}`;
  return reasonOf(error, "write");
}

/** Loads the last snapshot, if there is one. Throws StartupError for a damaged one with --strict-load. */
export async function loadSnapshot(
  snapshots: Snapshots,
  config: Config,
  logger: Logger,
): Promise<void> {
  let report: LoadReport | undefined;
  try {
    report = await snapshots.load(!config.strictLoad);
  } catch (error) {
    const reason = `the snapshot cannot be read: ${reasonOf(error, "read")}`;
    if (config.strictLoad) throw new StartupError(EXIT_DATA, reason);
    logger.error("not loaded", { reason });
  }
  if (report === undefined) return;
  const { header, damages, intactShards, keptAt = "", tookMs } = report;
  const whole = `${intactShards} of ${header?.shards ?? "unknown"} shards are whole`;
  if (damages.length > 0) {
    const more =
      damages.length > SHOWN_DAMAGES ? ` and ${damages.length - SHOWN_DAMAGES} more` : "";
    const damage = damages.slice(0, SHOWN_DAMAGES).join("; ") + more;
    if (config.strictLoad) {
      const state = `the snapshot in ${config.dataDir} is damaged: ${damage}; ${whole}`;
      throw new StartupError(EXIT_DATA, `${state}: start without --strict-load to load them`);
    }
    logger.error("snapshot damaged", { whole, damage, kept_at: keptAt });
  }
  const { loaded: entries, expired, unfit } = report;
  const saved = header === undefined ? "" : new Date(header.savedMs).toISOString();
  const fields = { entries, expired, unfit, saved, ms: Math.round(tookMs) };
  if (unfit === 0 || damages.length > 0) logger.info("loaded", fields);
  else {
    const reason =
      "--memory, --max-value-bytes or --max-key-length are smaller than at the snapshot";
    logger.warn("loaded", { ...fields, reason, kept_at: keptAt });
  }
}
