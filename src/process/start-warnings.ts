// The log lines at the start about settings that will not do what their user expects.

import type { CacheOptions } from "../cache/cache.ts";
import {
  formatBytes,
  type Config,
  SPREADS_CONNECTIONS,
  serviceLinkVariables,
  unknownServiceVariables,
} from "../config/config.ts";
import { formatMegabytes } from "../config/units.ts";
import type { Credentials } from "../security/credentials.ts";
import type { Logger } from "../service/logger.ts";

/** A limit of connections is logged only if it is below this part of the requested one. */
const FEWER_CONNECTIONS_RATIO = 0.9;

/** Environment variables by name. */
export type Env = Readonly<Record<string, string | undefined>>;

/** The settings of a start: the requested ones, and the ones in force. */
export interface Settings {
  readonly config: Config;
  readonly credentials: Credentials;
  /** The cache's options: as requested, and as they fit the memory. */
  readonly requested: CacheOptions;
  readonly fitted: CacheOptions;
  readonly env: Env;
}

/** Logs one line for each such setting. */
export function warnAboutSettings(settings: Settings, logger: Logger): void {
  const { config, requested, fitted } = settings;
  warnAboutVariables(settings, logger);
  warnAboutOpenPorts(settings, logger);
  warnAboutSizes(config, logger);
  const memory = `--memory ${formatBytes(config.memory)}`;
  const values = `--max-value-bytes ${formatBytes(config.maxValueBytes)}`;
  if (fitted.shards < requested.shards) {
    const reason = `${memory} for values of ${values}`;
    logger.warn("fewer shards", { shards: fitted.shards, wanted: requested.shards, reason });
  }
  if (fitted.maxValueBytes < requested.maxValueBytes) {
    const reason = `${memory} has no room for ${values}`;
    logger.warn("smaller values", { max_value_bytes: fitted.maxValueBytes, reason });
  }
  if (!SPREADS_CONNECTIONS && config.store === "shared") {
    logger.info("one worker", { reason: `${process.platform} does not spread connections` });
  }
}

function warnAboutVariables({ env }: Settings, logger: Logger): void {
  const links = serviceLinkVariables(env);
  if (links.length > 0) {
    const reason =
      "Kubernetes sets it for a service of that name: rename the service, or set enableServiceLinks: false";
    logger.warn("variable ignored", { variable: links.join(","), reason });
  }
  for (const variable of unknownServiceVariables(env)) {
    logger.warn("unknown variable", { variable, reason: "no option has this name; see --help" });
  }
}

function warnAboutOpenPorts({ config, credentials }: Settings, logger: Logger): void {
  const { tokens, tls } = credentials;
  if (isLoopback(config.host) || tokens.authToken !== "" || tls?.ca !== undefined) return;
  const reason =
    "every client that reaches the ports can read and change all entries; set --auth-token-file, or --host 127.0.0.1";
  logger.warn("open to the network", { host: config.host, reason });
}

function warnAboutSizes({ plan, maxConnections, memory }: Config, logger: Logger): void {
  const { neededBytes, availableBytes, fittingBytes } = plan;
  if (neededBytes > availableBytes) {
    const remedy =
      fittingBytes >= 2 ** 20
        ? `set --memory ${formatMegabytes(fittingBytes)} at most`
        : "lower --workers, --max-connections or --max-pending-bytes";
    logger.warn("too little memory", {
      ...{
        needed: formatMegabytes(neededBytes),
        available: formatMegabytes(availableBytes),
        memory: formatBytes(memory),
      },
      reason: `the process may be killed under load: give it ${formatMegabytes(neededBytes)}, or ${remedy}`,
    });
  }
  if (maxConnections < plan.requestedConnections * FEWER_CONNECTIONS_RATIO) {
    const { requestedConnections: wanted, descriptors } = plan;
    const reason = `the limit of open files is ${descriptors}; raise \`ulimit -n\``;
    logger.warn("fewer connections", { max_connections: maxConnections, wanted, reason });
  }
}

function isLoopback(host: string): boolean {
  return /^(localhost|127\.[\d.]+|\[?::1\]?|\[?::ffff:127\.[\d.]+\]?)$/i.test(host);
}
