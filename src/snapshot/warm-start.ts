// What a service with a data folder does at its start: takes the folder, loads the last
// snapshot, and tells the log of it.

import type { Cache } from "../cache.ts";
import type { Config } from "../config.ts";
import type { Logger } from "../logger.ts";
import type { ServiceState } from "../service.ts";
import { EXIT_DATA, EXIT_SYSTEM, EXIT_USAGE, StartRefusal } from "../start-refusal.ts";
import { codeOf, DataFolder, FolderInUseError } from "./folder.ts";
import { type LoadReport, reasonOf, Snapshots } from "./snapshots.ts";

/** What is wrong with a snapshot, in its line of the log; `bun run check-snapshot` has the rest. */
const SHOWN_DAMAGES = 5;

/**
 * Takes the folder. One that cannot be had does not keep the cache from serving; for one that another
 * service has, or that is a file, this throws StartRefusal.
 */
export async function openSnapshots(
  cache: Cache,
  config: Config,
  state: ServiceState,
  logger: Logger,
): Promise<Snapshots> {
  const folder = new DataFolder(config.dataDir);
  const snapshots = new Snapshots(cache, folder, state, {
    saved: ({ entries, bytes, tookMs }) => {
      logger.info("saved", { entries, bytes, ms: Math.round(tookMs) });
    },
    failed: (reason) => logger.error("snapshot failed", { folder: folder.path, reason }),
  });
  try {
    await folder.claim();
  } catch (error) {
    if (error instanceof FolderInUseError) {
      throw new StartRefusal(EXIT_SYSTEM, `${error.message}; choose another with --data-dir`);
    }
    if (["ENOTDIR", "EEXIST"].includes(codeOf(error))) {
      const reason = `"${config.dataDir}" is a file, not a folder`;
      throw new StartRefusal(EXIT_USAGE, `--data-dir: ${reason}`);
    }
    snapshots.failed(error);
  }
  return snapshots;
}

/** Loads the last snapshot, if there is one. Throws StartRefusal for a damaged one with --strict-load. */
export async function loadSnapshot(
  snapshots: Snapshots,
  config: Config,
  logger: Logger,
): Promise<void> {
  let report: LoadReport | undefined;
  try {
    report = await snapshots.load(!config.strictLoad);
  } catch (error) {
    const reason = `the snapshot cannot be read: ${reasonOf(error)}`;
    if (config.strictLoad) throw new StartRefusal(EXIT_DATA, reason);
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
      throw new StartRefusal(EXIT_DATA, `${state}: start without --strict-load to load them`);
    }
    logger.error("snapshot damaged", { whole, damage, kept_at: keptAt });
  }
  const { loaded: entries, expired, unfit } = report;
  const saved = header === undefined ? "" : new Date(header.savedMs).toISOString();
  logger.info("loaded", { entries, expired, unfit, saved, ms: Math.round(tookMs) });
}
