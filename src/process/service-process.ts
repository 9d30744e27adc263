// The service as a process: options, shared state, workers, snapshots, maintenance and signals.
//
//   runService: arguments → Config → ServiceProcess.start → signals → ServiceProcess.ended → exit code

import { Cache, fitOptions } from "../cache/cache.ts";
import {
  formatBytes,
  cacheOptionsOf,
  type Config,
  help,
  OptionError,
  readConfig,
  SPREADS_CONNECTIONS,
  version,
} from "../config/config.ts";
import { ConnectionWatch } from "../http/admission/connection-watch.ts";
import {
  drainListeners,
  enableKeepAlive,
  listenerDescriptors,
} from "../linux/listener-handover.ts";
import { releaseStartCode } from "../linux/pages.ts";
import { reportReady } from "../linux/supervision.ts";
import { type Credentials, readCredentials, validUntil } from "../security/credentials.ts";
import { EXIT_IO, EXIT_SOFTWARE, EXIT_SYSTEM, EXIT_USAGE, StartupError } from "../service/exit.ts";
import { LogLines, LogOutput } from "../service/log-lines.ts";
import { describeError, Logger } from "../service/logger.ts";
import { ServiceState } from "../service/service.ts";
import type { Snapshots } from "../snapshot/snapshots.ts";
import type { UpstreamMemory } from "../upstream/memory.ts";
import { EVICTION_BEGAN, startMaintenance } from "./maintenance.ts";
import { ListenError, PortClaim } from "./port-claim.ts";
import { allocateSharedState, type SharedState } from "./shared-state.ts";
import { type Env, warnAboutSettings } from "./start-warnings.ts";
import { StopSignals } from "./stop-signals.ts";
import { Supervisor, type SupervisorEvents } from "./supervisor.ts";

/** Requests in flight get this long after SIGTERM; the service promises to end within 5 s. */
const STOP_GRACE_MS = 4000;
/** The recorder's code is loaded after the start, which it would delay. */
const RECORD_AFTER_MS = 250;
const SETTLED_AFTER_MS = 1500;
/** Bun's default limit of a request's head. */
const RUNTIME_HEADER_BYTES = 16_384;

export type StopReason =
  { readonly signal: string } | { readonly command: string; readonly saves: boolean };

/**
 * Runs the service until a signal or a client stops it, and ends the process with its exit code.
 * `workerScript`: as for Supervisor.
 */
export async function runService(
  args: readonly string[],
  env: Env,
  workerScript?: URL,
): Promise<void> {
  const started = Promise.withResolvers<ServiceProcess>();
  // First of all: without a handler the signal ends the process.
  let reloads: Promise<unknown> = started.promise;
  process.on("SIGHUP", () => {
    reloads = reloads.then(async () => (await started.promise).reload());
  });
  const { config, credentials } = await configOrExit(args, env);
  // The reader of stdout closed the pipe: keep serving, and count the lines that are lost.
  process.stdout.on("error", () => {});
  try {
    const upstream = config.upstream === "" ? undefined : await importUpstream();
    const memory = upstream?.allocateUpstream(config.workers);
    const service = new ServiceProcess(config, credentials, memory, workerScript);
    void service.ended.then((exitCode) => process.exit(exitCode));
    // Before anything that takes time: process 1 of a container has no default handlers.
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => service.stop({ signal }));
    }
    process.on("uncaughtException", (error) => {
      service.logger.error("failed", { error: describeError(error) });
      process.exit(EXIT_SOFTWARE);
    });
    await service.start(env);
    if (!reportReady(env)) {
      service.logger.warn("supervisor not notified", { socket: env["NOTIFY_SOCKET"] ?? "" });
    }
    started.resolve(service);
  } catch (error) {
    if (error instanceof StartupError) exitWith(error.exitCode, `ringcache: ${error.message}`);
    throw error;
  }
}

export class ServiceProcess {
  readonly logger: Logger;
  readonly #config: Config;
  #credentials: Credentials;
  readonly #state: SharedState;
  readonly #serviceState: ServiceState;
  readonly #workerScript: URL | undefined;
  readonly #log: LogOutput;
  readonly #signals = new StopSignals();
  readonly #ended = Promise.withResolvers<number>();
  #isStopping = false;
  #supervisor: Supervisor | undefined;
  #snapshots: Snapshots | undefined;
  /** The port of the HTTP API: a free one if --port is 0. */
  #port: number;

  /** Allocates the shared state. Throws StartupError if the system lacks address space. */
  constructor(
    config: Config,
    credentials: Credentials,
    upstream?: UpstreamMemory,
    workerScript?: URL,
  ) {
    this.#workerScript = workerScript;
    this.#config = config;
    this.#credentials = credentials;
    this.#port = config.port;
    this.#state = allocateOrFail(config, upstream);
    this.#serviceState = new ServiceState(this.#state.service);
    this.#log = new LogOutput(
      (line, done) => void process.stdout.write(line, done),
      new LogLines(this.#state.logLines),
      (lines) => {
        this.logger.warn("log lines dropped", { lines, reason: "the log was not read" });
      },
    );
    this.logger = new Logger(config.logFormat, config.logLevel, (line) => this.#writeLog(line));
  }

  /** Resolves with the exit code when the service has stopped, or has given up. */
  get ended(): Promise<number> {
    return this.#ended.promise;
  }

  /** Starts the workers and loads the last snapshot; resolves when the service serves. Throws StartupError. */
  async start(env: Env): Promise<void> {
    const url = await this.#start();
    const config = this.#config;
    const { tls } = this.#credentials;
    const { cacheOptions } = this.#state;
    this.logger.info("listening", {
      ...this.#addressFields(url),
      redis: config.respPort === 0 ? "off" : config.respPort,
      workers: config.workers,
      shards: cacheOptions.shards,
      memory: formatBytes(config.memory),
      max_connections: config.maxConnections,
      max_pending_bytes: formatBytes(config.maxPendingBytes),
      ...(tls === undefined ? {} : { certificate_until: await validUntil(tls) }),
      version,
    });
    const settings = { config, credentials: this.#credentials, env };
    const requested = cacheOptionsOf(config);
    warnAboutSettings({ ...settings, requested, fitted: cacheOptions }, this.logger);
    releaseStartCode();
    // The first round of each timer of a second is part of the start too.
    setTimeout(releaseStartCode, SETTLED_AFTER_MS);
  }

  /** Reads tokens and certificates again. If they are wrong, logs the reason and keeps the old ones. */
  async reload(): Promise<void> {
    try {
      const credentials = await readCredentials(this.#config);
      const { tls } = credentials;
      if (tls !== undefined && !SPREADS_CONNECTIONS) {
        throw new OptionError(
          `${process.platform} cannot have two listeners; start the service again`,
        );
      }
      await this.#replaceCredentials(credentials);
      const until = tls === undefined ? {} : { certificate_until: await validUntil(tls) };
      this.logger.info("reloaded", until);
    } catch (error) {
      if (error instanceof OptionError) {
        this.logger.error("reload refused", { reason: error.message });
      } else {
        // The old listeners may still be open, and give some connections the old certificate.
        this.logger.error("reload incomplete", { error: describeError(error) });
      }
    }
  }

  /** Stops the service once; after a signal it drains first. A later signal ends the current step. */
  stop(reason: StopReason): void {
    if ("signal" in reason) this.#signals.record(reason.signal);
    if (this.#isStopping) return;
    this.#isStopping = true;
    if ("command" in reason) this.#signals.record(reason.command);
    void this.#stop(reason).then(this.#ended.resolve, this.#ended.reject);
  }

  async #stop(reason: StopReason): Promise<number> {
    const isLoaded = this.#serviceState.phase === "serving";
    const { drainSeconds } = this.#config;
    const fields = "signal" in reason ? reason : { command: reason.command };
    if ("signal" in reason && isLoaded && drainSeconds > 0) {
      this.#serviceState.phase = "draining";
      this.logger.info("draining", { seconds: drainSeconds, ...fields });
      await Promise.race([Bun.sleep(drainSeconds * 1000), this.#signals.next]);
    }
    this.#serviceState.phase = "stopping";
    this.logger.info("stopping", fields);
    await this.#supervisor?.stop(STOP_GRACE_MS);
    const skipped = this.#signals.next.then(
      (signal) => `a second ${signal} skipped the last snapshot`,
    );
    // While loading, the file on disk holds more than memory does, so it is not overwritten.
    const saves = isLoaded && ("signal" in reason || reason.saves);
    const outcome = saves ? await this.#snapshots?.saveLast(skipped) : undefined;
    if (outcome?.isSaved === false) {
      this.logger.error("stopped", { not_saved: outcome.reason });
      return EXIT_IO;
    }
    this.logger.info("stopped");
    return 0;
  }

  /** Claims the ports, starts the workers and loads the snapshot; returns the workers' URL. */
  async #start(): Promise<string> {
    const config = this.#config;
    const claims = await this.#claimPorts();
    if (config.maxHeaderBytes !== RUNTIME_HEADER_BYTES) await limitHeaders(config.maxHeaderBytes);
    const cache = new Cache(this.#state.cacheOptions, this.#state.cache, config.workers);
    const warm = config.dataDir === "" ? undefined : await importWarmStart();
    const snapshots = await warm?.openSnapshots(cache, config, this.#serviceState, this.logger);
    this.#snapshots = snapshots;
    this.#port = claims[0]?.port ?? this.#port;
    const opened = { ...config, port: this.#port };
    const start = { config: opened, credentials: this.#credentials, state: this.#state };
    this.#supervisor = new Supervisor(cache, start, this.#supervisorEvents(), this.#workerScript);
    await this.#startTracker(cache);
    if (snapshots === undefined && this.#isLoading()) this.#serviceState.phase = "serving";
    const url = await this.#supervisor.start().catch((error: unknown) => this.#rejectStart(error));
    ConnectionWatch.start(config.maxConnections, this.#port, this.#state.http.connections);
    for (const claim of claims) claim.release();
    if (snapshots !== undefined) await warm?.loadSnapshot(snapshots, config, this.logger);
    // A signal may have arrived while the snapshot was loaded.
    if (snapshots !== undefined && this.#isLoading()) {
      this.#serviceState.phase = "serving";
      await this.#supervisor.ready();
      if (config.snapshotInterval > 0) snapshots.schedule(config.snapshotInterval * 1000);
    }
    const isPaused = () => this.#serviceState.get("isSweepPaused") !== 0;
    const evictionBegan = () => this.logger.info(EVICTION_BEGAN);
    if (config.store === "shared") startMaintenance(cache, evictionBegan, isPaused);
    this.#recordHistoryLater(cache);
    return url;
  }

  /** Begins to record. It tries again if the code cannot be read: clients may hold all descriptors. */
  #recordHistoryLater(cache: Cache): void {
    setTimeout(async () => {
      try {
        const { recordHistory } = await import("./history-recorder.ts");
        await recordHistory(this.#state, this.#config, cache);
        releaseStartCode();
      } catch (error) {
        this.logger.warn("history not recorded", { error: String(error) });
        this.#recordHistoryLater(cache);
      }
    }, RECORD_AFTER_MS);
  }

  async #startTracker(cache: Cache): Promise<void> {
    const { upstream } = this.#state;
    if (upstream === undefined) return;
    const { startTracker } = await importUpstream();
    const secrets = this.#credentials.upstream ?? { password: "", ca: "" };
    startTracker({ config: this.#config, cache, secrets, logger: this.logger }, upstream);
  }

  async #claimPorts(): Promise<PortClaim[]> {
    const { host, port, respPort } = this.#config;
    const claims: PortClaim[] = [];
    for (const claimed of respPort === 0 ? [port] : [port, respPort]) {
      const claim = PortClaim.take(host, claimed).catch((error: unknown) =>
        this.#rejectStart(error),
      );
      claims.push(await claim);
    }
    return claims;
  }

  #rejectStart(error: unknown): never {
    if (!(error instanceof ListenError)) throw error;
    throw new StartupError(EXIT_SYSTEM, listenReason(error, this.#config));
  }

  #supervisorEvents(): SupervisorEvents {
    return {
      log: (worker, line) => this.#writeLog(line, worker),
      listening: () => enableKeepAlive(this.#port, this.#config.tcpKeepalive),
      restarted: (worker, error) => this.logger.error("worker restarted", { worker, error }),
      save: async () =>
        (await this.#snapshots?.save()) ?? { isSaved: false, reason: "no --data-dir" },
      shutDown: (saves) => this.stop({ command: "SHUTDOWN", saves }),
      gaveUp: (worker, error) => {
        this.logger.error("failed", { worker, error });
        this.#ended.resolve(EXIT_SOFTWARE);
      },
    };
  }

  async #replaceCredentials(credentials: Credentials): Promise<void> {
    const { respPort, tcpKeepalive } = this.#config;
    // A worker that is just being restarted would open another listener for the old certificate.
    await this.#supervisor?.listening();
    // The workers open listeners of their own for the new certificates.
    const ports =
      credentials.tls === undefined ? [] : [this.#port, respPort].filter((port) => port !== 0);
    const old = ports.map((port) => [port, listenerDescriptors(port)] as const);
    this.#credentials = credentials;
    await this.#supervisor?.renew(credentials);
    enableKeepAlive(this.#port, tcpKeepalive);
    await Promise.all(old.map(([port, sockets]) => drainListeners(port, sockets)));
  }

  /** Writes a line, of a worker if given, and updates the count of dropped lines. */
  #writeLog(line: string, worker?: number): void {
    if (worker === undefined) this.#log.write(line);
    else this.#log.writeFrom(worker, line);
    this.#serviceState.set("droppedLogLines", this.#log.dropped);
  }

  #isLoading(): boolean {
    return this.#serviceState.phase === "loading";
  }

  /** A socket for both families has two addresses, and the log shows both. */
  #addressFields(url: string): Readonly<Record<string, string>> {
    const isBoth = this.#config.host === "::";
    return isBoth ? { address: url.replace("[::]", "0.0.0.0"), ipv6: url } : { address: url };
  }
}

function allocateOrFail(config: Config, upstream: UpstreamMemory | undefined): SharedState {
  try {
    return allocateSharedState(config, fitOptions(cacheOptionsOf(config)), upstream);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const reason = "the system does not give its shards' address space; raise `ulimit -v`";
    throw new StartupError(EXIT_SYSTEM, `${reason} (${error.message})`);
  }
}

/** The runtime applies this limit to all threads, and responds with 431 itself. */
async function limitHeaders(bytes: number): Promise<void> {
  Object.assign((await import("node:http")).default, { maxHeaderSize: bytes });
}

/** Only a service with a data folder loads this code, which takes 3 MB. */
function importWarmStart(): Promise<typeof import("../snapshot/warm-start.ts")> {
  return import("../snapshot/warm-start.ts");
}

/** Only a service with an upstream loads this code, which takes 25 MB. */
function importUpstream(): Promise<typeof import("../upstream/start-tracker.ts")> {
  return import("../upstream/start-tracker.ts");
}

function listenReason({ code, port }: ListenError, config: Config): string {
  const option = port === config.respPort ? "--resp-port" : "--port";
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `the port is in use; stop what uses it or choose another with ${option}`,
    EACCES: `this user may not open that port; choose one from 1024 with ${option}`,
  };
  const reason = reasons[code] ?? `${code}; --host must be an address of this machine`;
  const host = config.host.includes(":") ? `[${config.host}]` : config.host;
  return `cannot listen on ${host}:${port}: ${reason}`;
}

async function configOrExit(
  args: readonly string[],
  env: Env,
): Promise<{ config: Config; credentials: Credentials }> {
  try {
    const config = readConfig(args, env);
    if (config.help) exitWith(0, help());
    if (config.version) exitWith(0, version);
    return { config, credentials: await readCredentials(config) };
  } catch (error) {
    if (error instanceof OptionError) exitWith(EXIT_USAGE, `ringcache: ${error.message}`);
    throw error;
  }
}

function exitWith(code: number, message: string): never {
  (code === 0 ? process.stdout : process.stderr).write(`${message}\n`);
  process.exit(code);
}
