// The options of `ringcache health`.

import { helpText, type OptionTable, type OptionValues, readOptions } from "../config/parse.ts";
import { OPTIONS as SERVICE } from "../config/table.ts";

/** Those of the service that say where it listens, by the same flags and variables. */
const { port, host, tlsCert, tlsKey, tlsCa } = SERVICE;

const OPTIONS = {
  ...{ port, host, tlsCert, tlsKey, tlsCa },
  timeout: {
    kind: "number",
    flagOnly: true,
    default: 2,
    min: 0.1,
    max: 60,
    unit: "seconds",
    help: "longest time for the whole check",
  },
  help: {
    kind: "switch",
    flagOnly: true,
    default: false,
    aliases: ["h"],
    help: "print this and stop",
  },
} as const satisfies OptionTable;

const ENV_PREFIX = "RINGCACHE_";

export type HealthOptions = OptionValues<typeof OPTIONS>;

export const HELP = `usage: ringcache health [options]

Asks the service of this machine or container whether it serves. It takes the same flags and variables as
the service.

${helpText(OPTIONS, ENV_PREFIX)}

Exit code: 0 the service serves, 1 it does not, or an option is invalid.`;

/** Reads the command line; throws OptionError on the first bad option. */
export function readHealthOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): HealthOptions {
  return readOptions(OPTIONS, args, env, ENV_PREFIX);
}
