// The process: options, the cache, the HTTP listener, upkeep and signals.

import { Cache } from "./cache.ts";
import {
  type Config,
  HELP,
  OptionError,
  readConfig,
  systemMemoryBytes,
  version,
} from "./config.ts";
import { type HttpEvents, type HttpServer, serveHttp } from "./http/server.ts";
import { Logger } from "./logger.ts";

/** Exit codes, as sysexits.h numbers them. */
const EXIT_USAGE = 64;
const EXIT_SOFTWARE = 70;
const EXIT_CANNOT_LISTEN = 71;

/** Answers in flight get this long after SIGTERM; the service promises to be gone in 5 s. */
const STOP_GRACE_MS = 4000;
/** Every tick looks at a fiftieth of the entries, so an expired one is freed within 5 s. */
const SWEEP_EVERY_MS = 100;
const SWEEP_SHARE = 1 / 50;
const SWEEP_AT_LEAST = 1000;

const config = configOrExit();
// Whoever read the log has gone: there is nobody to tell, and the cache serves on.
process.stdout.on("error", () => {});
const logger = new Logger(config.logFormat);
const cache = new Cache(config);
const server = listenOrExit();
logger.info("listening", {
  address: server.url,
  shards: config.shards,
  memory: `${(systemMemoryBytes() / 2 ** 30).toFixed(1)} GiB, no limit`,
  version,
});

setInterval(() => {
  const { entries } = cache.figures();
  cache.sweep(Date.now(), Math.max(SWEEP_AT_LEAST, Math.ceil(entries * SWEEP_SHARE)));
}, SWEEP_EVERY_MS);

let stopping = false;
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void stop(signal));
process.on("uncaughtException", (error) => {
  logFailure(error);
  process.exit(EXIT_SOFTWARE);
});

function logFailure(error: unknown): void {
  logger.error("failed", { error: error instanceof Error ? (error.stack ?? "") : String(error) });
}

/** Ctrl-C under `bun run` comes twice, from the terminal and from bun: the second is the same wish. */
async function stop(signal: string): Promise<void> {
  if (stopping) return;
  stopping = true;
  logger.info("stopping", { signal });
  await server.stop(STOP_GRACE_MS);
  logger.info("stopped");
  process.exit(0);
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

function listenOrExit(): HttpServer {
  const logRequest: HttpEvents["answered"] = (method, path, status, ms) => {
    logger.info("request", { method, path, status, ms: Number(ms.toFixed(3)) });
  };
  const answered = config.logRequests ? logRequest : undefined;
  try {
    return serveHttp(cache, config, { answered, failed: logFailure });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
    if (code === undefined) throw error;
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

function exitWith(code: number, message: string): never {
  (code === 0 ? process.stdout : process.stderr).write(`${message}\n`);
  process.exit(code);
}
