// The process: options, the shared memory, the workers, upkeep and signals.

import { Cache } from "./cache.ts";
import {
  cacheOptionsOf,
  type Config,
  HELP,
  OptionError,
  readConfig,
  SPREADS_CONNECTIONS,
  version,
} from "./config.ts";
import { describeError, Logger } from "./logger.ts";
import { usableMemoryBytes } from "./machine.ts";
import { ListenError, PortClaim } from "./port-claim.ts";
import { Supervisor } from "./supervisor.ts";
import { startUpkeep } from "./upkeep.ts";

/** Exit codes, as sysexits.h numbers them. */
const EXIT_USAGE = 64;
const EXIT_SOFTWARE = 70;
const EXIT_CANNOT_LISTEN = 71;

/** Answers in flight get this long after SIGTERM; the service promises to be gone in 5 s. */
const STOP_GRACE_MS = 4000;

const config = configOrExit();
// Whoever read the log has gone: there is nobody to tell, and the cache serves on.
process.stdout.on("error", () => {});
const logger = new Logger(config.logFormat);
const { supervisor, url } = await startOrExit();
logger.info("listening", {
  address: url,
  workers: config.workers,
  shards: config.shards,
  memory: `${(usableMemoryBytes() / 2 ** 30).toFixed(1)} GiB, no limit`,
  version,
});
if (!SPREADS_CONNECTIONS && config.store === "shared") {
  logger.info("one worker", { reason: `${process.platform} does not spread connections` });
}

let stopping = false;
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void stop(signal));
process.on("uncaughtException", (error) => {
  logger.error("failed", { error: describeError(error) });
  process.exit(EXIT_SOFTWARE);
});

/** Ctrl-C under `bun run` comes twice, from the terminal and from bun: the second is the same wish. */
async function stop(signal: string): Promise<void> {
  if (stopping) return;
  stopping = true;
  logger.info("stopping", { signal });
  await supervisor.stop(STOP_GRACE_MS);
  logger.info("stopped");
  process.exit(0);
}

async function startOrExit(): Promise<{ supervisor: Supervisor; url: string }> {
  try {
    // Held until the process ends.
    const claim = new PortClaim(config);
    const cacheOptions = cacheOptionsOf(config);
    // The supervisor is the last of the threads.
    const memory = Cache.allocate(cacheOptions, config.workers + 1);
    const cache = new Cache(cacheOptions, memory, config.workers);
    const start = { config: { ...config, port: claim.port }, cacheOptions, memory };
    const supervisor = new Supervisor(cache, start, {
      log: (line) => void process.stdout.write(line),
      restarted: (worker, error) => logger.error("worker restarted", { worker, error }),
      gaveUp(worker, error) {
        logger.error("failed", { worker, error });
        process.exit(EXIT_SOFTWARE);
      },
    });
    const url = await supervisor.start();
    if (config.store === "shared") startUpkeep(cache);
    return { supervisor, url };
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    const { code } = error;
    const reasons: Readonly<Record<string, string>> = {
      EADDRINUSE: "the port is in use; stop what uses it or choose another with --port",
      EACCES: "this user may not open that port; choose one from 1024 with --port",
    };
    const reason = reasons[code] ?? `${code}; --host must be an address of this machine`;
    exitWith(
      EXIT_CANNOT_LISTEN,
      `ringcache: cannot listen on ${config.host}:${config.port}: ${reason}`,
    );
  }
}

function configOrExit(): Config {
  try {
    const given = readConfig(Bun.argv.slice(2), process.env);
    if (given.help) exitWith(0, HELP);
    if (given.version) exitWith(0, version);
    return given;
  } catch (error) {
    if (error instanceof OptionError) exitWith(EXIT_USAGE, `ringcache: ${error.message}`);
    throw error;
  }
}

function exitWith(code: number, message: string): never {
  (code === 0 ? process.stdout : process.stderr).write(`${message}\n`);
  process.exit(code);
}
