// The process: options, the shared memory, the workers, snapshots, upkeep and signals.

import { allocateBudget } from "../shared-memory/byte-budget.ts";
import { Cache, type CacheMemory, fitOptions } from "../cache/cache.ts";
import {
  bytesText,
  cacheOptionsOf,
  type Config,
  HELP,
  OptionError,
  readConfig,
  SPREADS_CONNECTIONS,
  version,
} from "../config/config.ts";
import { type Credentials, readCredentials, validUntil } from "../security/credentials.ts";
import { ConnectionWatch } from "../http/admission/connection-watch.ts";
import { allocateHttp } from "../http/metrics.ts";
import { closeListening, keepAlive, listeningOn } from "../linux/listener-handover.ts";
import { allocateLogLines, LogLines, LogOutput } from "../service/log-lines.ts";
import { describeError, Logger } from "../service/logger.ts";
import { allocateWorkers } from "../metrics/workers.ts";
import { ListenError, PortClaim } from "./port-claim.ts";
import { allocateRejections } from "../security/rejections.ts";
import { allocateResp } from "../resp/memory.ts";
import { allocateState, ServiceState } from "../service/service.ts";
import type { Snapshots } from "../snapshot/snapshots.ts";
import { EXIT_IO, EXIT_SOFTWARE, EXIT_SYSTEM, EXIT_USAGE, StartupError } from "../service/exit.ts";
import { warnOfSettings } from "./start-warnings.ts";
import { StopSignals } from "./stop-signals.ts";
import { Supervisor } from "./supervisor.ts";
import { EVICTION_BEGAN, startMaintenance } from "./maintenance.ts";

/** Answers in flight get this long after SIGTERM; the service promises to be gone in 5 s. */
const STOP_GRACE_MS = 4000;
/** Bun's own limit of a request's head. */
const RUNTIME_HEADER_BYTES = 16_384;

/** Resolves when the service listens. */
const started = Promise.withResolvers<void>();
// First of all: without a handler the signal ends the process.
let renewing = started.promise;
process.on("SIGHUP", () => (renewing = renewing.then(renewCredentials)));
const { config, credentials: first } = await configOrExit();
let credentials = first;
// The reader of the log has gone: the cache serves on, and counts the lines that are lost.
process.stdout.on("error", () => {});
const logMemory = allocateLogLines(config.workers);
const log = new LogOutput(
  (line, done) => void process.stdout.write(line, done),
  new LogLines(logMemory),
  (lines) => logger.warn("log lines dropped", { lines, reason: "the log was not read" }),
);
const logger = new Logger(config.logFormat, config.logLevel, writeLog);
const wanted = cacheOptionsOf(config);
const cacheOptions = fitOptions(wanted);
const stateMemory = allocateState();
const state = new ServiceState(stateMemory);
let isStopping = false;
let supervisor: Supervisor | undefined;
let snapshots: Snapshots | undefined;
/** Of the HTTP API; the one that was taken, where a free one was asked for. */
let { port } = config;
// Before anything that takes time: as process 1 of a container there is no other way to be stopped.
const signals = new StopSignals();
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    signals.came(signal);
    void stop({ signal }, true);
  });
}
process.on("uncaughtException", (error) => {
  logger.error("failed", { error: describeError(error) });
  process.exit(EXIT_SOFTWARE);
});

const address = await startOrExit();
started.resolve();
logger.info("listening", {
  ...shownAddresses(address),
  redis: config.respPort === 0 ? "off" : config.respPort,
  workers: config.workers,
  shards: cacheOptions.shards,
  memory: bytesText(config.memory),
  max_connections: config.maxConnections,
  max_pending_bytes: bytesText(config.maxPendingBytes),
  ...(credentials.tls === undefined
    ? {}
    : { certificate_until: await validUntil(credentials.tls) }),
  version,
});
warnOfSettings({ config, credentials, wanted, fitted: cacheOptions, env: process.env }, logger);

/** Writes a line, of a worker if so, and keeps the count of those that were dropped. */
function writeLog(line: string, worker?: number): void {
  if (worker === undefined) log.write(line);
  else log.writeOf(worker, line);
  state.set("droppedLogLines", log.dropped);
}

/** The socket for both families has two addresses, of which the log shows both. */
function shownAddresses(url: string): Readonly<Record<string, string>> {
  const isBoth = config.host === "::";
  return isBoth ? { address: url.replace("[::]", "0.0.0.0"), ipv6: url } : { address: url };
}

/** Stops the service once; after a signal it drains first. */
async function stop(
  reason: { signal: string } | { command: string },
  saves: boolean,
): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  const isLoaded = state.phase === "serving";
  if ("command" in reason) signals.came(reason.command);
  else if (isLoaded && config.drainSeconds > 0) {
    state.phase = "draining";
    logger.info("draining", { seconds: config.drainSeconds, ...reason });
    await Promise.race([Bun.sleep(config.drainSeconds * 1000), signals.next]);
  }
  state.phase = "stopping";
  logger.info("stopping", reason);
  await supervisor?.stop(STOP_GRACE_MS);
  // Of a snapshot that is not loaded yet the file has more.
  const skipped = signals.next.then((signal) => `a second ${signal} skipped the last snapshot`);
  const outcome = saves && isLoaded ? await snapshots?.saveLast(skipped) : undefined;
  if (outcome?.isSaved === false) {
    logger.error("stopped", { not_saved: outcome.reason });
    process.exit(EXIT_IO);
  }
  logger.info("stopped");
  process.exit(0);
}

/** Starts the workers, loads the last snapshot and answers the workers' URL. */
async function startOrExit(): Promise<string> {
  try {
    const claims: PortClaim[] = [];
    for (const port of config.respPort === 0 ? [config.port] : [config.port, config.respPort]) {
      claims.push(await PortClaim.take(config.host, port));
    }
    if (config.maxHeaderBytes !== RUNTIME_HEADER_BYTES) await limitHeaders(config.maxHeaderBytes);
    // The supervisor is the last of the threads.
    const memory = allocateOrFail(config.workers + 1);
    const cache = new Cache(cacheOptions, memory, config.workers);
    const warm = config.dataDir === "" ? undefined : await warmStart();
    snapshots = await warm?.openSnapshots(cache, config, state, logger);
    const memories = {
      ...{ memory, stateMemory },
      httpMemory: allocateHttp(config.workers, config.maxConnections),
      respMemory: allocateResp(config, config.workers),
      workerMemory: allocateWorkers(config.workers),
      rejectionMemory: allocateRejections(config.workers),
      budgetMemory: allocateBudget(config.workers),
      logMemory,
    };
    port = claims[0]?.port ?? port;
    const opened = { ...config, port };
    const start = { config: opened, credentials, cacheOptions, ...memories };
    supervisor = new Supervisor(cache, start, {
      log: (worker, line) => writeLog(line, worker),
      listening: () => keepAlive(port, config.tcpKeepalive),
      restarted: (worker, error) => logger.error("worker restarted", { worker, error }),
      save: async () => (await snapshots?.save()) ?? { isSaved: false, reason: "no --data-dir" },
      shutDown: (saves) => void stop({ command: "SHUTDOWN" }, saves),
      gaveUp(worker, error) {
        logger.error("failed", { worker, error });
        process.exit(EXIT_SOFTWARE);
      },
    });
    if (snapshots === undefined && state.phase === "loading") state.phase = "serving";
    const url = await supervisor.start();
    new ConnectionWatch(config.maxConnections, port, memories.httpMemory.connections);
    for (const claim of claims) claim.release();
    if (snapshots !== undefined) await warm?.loadSnapshot(snapshots, config, logger);
    // A signal may have come meanwhile.
    if (snapshots !== undefined && state.phase === "loading") {
      state.phase = "serving";
      await supervisor.ready();
      if (config.snapshotInterval > 0) snapshots.schedule(config.snapshotInterval * 1000);
    }
    if (config.store === "shared") startMaintenance(cache, () => logger.info(EVICTION_BEGAN));
    return url;
  } catch (error) {
    if (error instanceof StartupError) exitWith(error.exitCode, `ringcache: ${error.message}`);
    if (error instanceof ListenError) exitWith(EXIT_SYSTEM, refusalOf(error));
    throw error;
  }
}

function allocateOrFail(threads: number): CacheMemory {
  try {
    return Cache.allocate(cacheOptions, threads);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const reason = "the system does not give its shards' address space; raise `ulimit -v`";
    throw new StartupError(EXIT_SYSTEM, `${reason} (${error.message})`);
  }
}

/** The runtime keeps this limit, of all threads, and answers 431 by itself. */
async function limitHeaders(bytes: number): Promise<void> {
  Object.assign((await import("node:http")).default, { maxHeaderSize: bytes });
}

/** Reads tokens and certificates again. What is wrong with them costs a line in the log, and the old ones stay. */
async function renewCredentials(): Promise<void> {
  try {
    const renewed = await readCredentials(config);
    const { tls } = renewed;
    if (tls !== undefined && !SPREADS_CONNECTIONS) {
      throw new OptionError(
        `${process.platform} cannot have two listeners; start the service again`,
      );
    }
    // One that is being started again would open another listener for the old certificate.
    await supervisor?.listening();
    // The workers open listeners of their own for the new certificates.
    const ports = tls === undefined ? [] : [port, config.respPort].filter((one) => one !== 0);
    const old = ports.map((one) => [one, listeningOn(one)] as const);
    credentials = renewed;
    await supervisor?.renew(renewed);
    keepAlive(port, config.tcpKeepalive);
    await Promise.all(old.map(([one, sockets]) => closeListening(one, sockets)));
    logger.info("reloaded", tls === undefined ? {} : { certificate_until: await validUntil(tls) });
  } catch (error) {
    if (error instanceof OptionError) logger.error("reload refused", { reason: error.message });
    // The old listeners may be open still, and give some connections the old certificate.
    else logger.error("reload incomplete", { error: describeError(error) });
  }
}

/** Only where it is needed: what saves and loads takes 3 MB. */
function warmStart(): Promise<typeof import("../snapshot/warm-start.ts")> {
  return import("../snapshot/warm-start.ts");
}

function refusalOf({ code, port }: ListenError): string {
  const option = port === config.respPort ? "--resp-port" : "--port";
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `the port is in use; stop what uses it or choose another with ${option}`,
    EACCES: `this user may not open that port; choose one from 1024 with ${option}`,
  };
  const reason = reasons[code] ?? `${code}; --host must be an address of this machine`;
  const host = config.host.includes(":") ? `[${config.host}]` : config.host;
  return `ringcache: cannot listen on ${host}:${port}: ${reason}`;
}

async function configOrExit(): Promise<{ config: Config; credentials: Credentials }> {
  try {
    const given = readConfig(Bun.argv.slice(2), process.env);
    if (given.help) exitWith(0, HELP);
    if (given.version) exitWith(0, version);
    return { config: given, credentials: await readCredentials(given) };
  } catch (error) {
    if (error instanceof OptionError) exitWith(EXIT_USAGE, `ringcache: ${error.message}`);
    throw error;
  }
}

function exitWith(code: number, message: string): never {
  (code === 0 ? process.stdout : process.stderr).write(`${message}\n`);
  process.exit(code);
}
