// What the log says at a start of settings that will not do what their user expects.

import type { CacheOptions } from "../cache/cache.ts";
import {
  bytesText,
  type Config,
  SPREADS_CONNECTIONS,
  variablesOfServiceLinks,
  variablesUnknown,
} from "../config/config.ts";
import type { Credentials } from "../security/credentials.ts";
import type { Logger } from "../service/logger.ts";

const MB = 2 ** 20;
/** A limit of connections that is lower by less is not worth a line. */
const TRACK_FROM_RATIO = 0.9;

/** Environment variables by name. */
export type Env = Readonly<Record<string, string | undefined>>;

/** The settings of a start, as they were asked for and as they are. */
export interface Settings {
  readonly config: Config;
  readonly credentials: Credentials;
  /** Of the cache: as options ask for them, and as the memory allows. */
  readonly wanted: CacheOptions;
  readonly fitted: CacheOptions;
  readonly env: Env;
}

/** Logs one line for each of them. */
export function warnOfSettings(settings: Settings, logger: Logger): void {
  const { config, wanted, fitted } = settings;
  warnOfVariables(settings, logger);
  warnOfOpenPorts(settings, logger);
  warnOfSizes(config, logger);
  const memory = `--memory ${bytesText(config.memory)}`;
  const values = `--max-value-bytes ${bytesText(config.maxValueBytes)}`;
  if (fitted.shards < wanted.shards) {
    const reason = `${memory} for values of ${values}`;
    logger.warn("fewer shards", { shards: fitted.shards, wanted: wanted.shards, reason });
  }
  if (fitted.maxValueBytes < wanted.maxValueBytes) {
    const reason = `${memory} has no room for ${values}`;
    logger.warn("smaller values", { max_value_bytes: fitted.maxValueBytes, reason });
  }
  if (!SPREADS_CONNECTIONS && config.store === "shared") {
    logger.info("one worker", { reason: `${process.platform} does not spread connections` });
  }
}

function warnOfVariables({ env }: Settings, logger: Logger): void {
  const links = variablesOfServiceLinks(env);
  if (links.length > 0) {
    const reason =
      "Kubernetes sets it for a service of that name: rename the service, or set enableServiceLinks: false";
    logger.warn("variable ignored", { variable: links.join(","), reason });
  }
  for (const variable of variablesUnknown(env)) {
    logger.warn("unknown variable", { variable, reason: "no option has this name; see --help" });
  }
}

function warnOfOpenPorts({ config, credentials }: Settings, logger: Logger): void {
  const { tokens, tls } = credentials;
  if (isLoopback(config.host) || tokens.authToken !== "" || tls?.ca !== undefined) return;
  const reason =
    "every client that reaches the ports may read and change all entries: set --auth-token-file, or --host 127.0.0.1";
  logger.warn("open to the network", { host: config.host, reason });
}

function warnOfSizes({ plan, maxConnections, memory }: Config, logger: Logger): void {
  const { neededBytes, availableBytes, fittingBytes } = plan;
  if (neededBytes > availableBytes) {
    const right =
      fittingBytes >= MB
        ? `set --memory ${mb(fittingBytes)} at most`
        : "lower --workers, --max-connections or --max-pending-bytes";
    logger.warn("too little memory", {
      ...{ needed: mb(neededBytes), available: mb(availableBytes), memory: bytesText(memory) },
      reason: `the process may be killed under load: give it ${mb(neededBytes)}, or ${right}`,
    });
  }
  if (maxConnections < plan.wantedConnections * TRACK_FROM_RATIO) {
    const { wantedConnections: wanted, descriptors } = plan;
    const reason = `the limit of open files is ${descriptors}; raise \`ulimit -n\``;
    logger.warn("fewer connections", { max_connections: maxConnections, wanted, reason });
  }
}

function isLoopback(host: string): boolean {
  return /^(localhost|127\.[\d.]+|\[?::1\]?|\[?::ffff:127\.[\d.]+\]?)$/i.test(host);
}

/** Rounded up, as "171mb". */
function mb(bytes: number): string {
  return `${Math.ceil(bytes / MB)}mb`;
}
