// The options of the service: one table gives flags, environment variables,
// defaults, ranges, --help and the tables in the documents.

import { totalmem } from "node:os";

import { version } from "../package.json";
import {
  helpText,
  markdownTable,
  type OptionTable,
  type OptionValues,
  readOptions,
} from "./options.ts";

export { version };
export { OptionError } from "./options.ts";

const ENV_PREFIX = "RINGCACHE_";

const OPTIONS = {
  port: {
    kind: "integer",
    default: 7171,
    min: 0,
    max: 65_535,
    alsoEnv: "PORT",
    help: "TCP port of the HTTP API; 0 takes a free one",
  },
  host: {
    kind: "text",
    default: "0.0.0.0",
    placeholder: "an address of this machine",
    help: "address to listen on",
  },
  shards: {
    kind: "integer",
    default: 64,
    min: 1,
    max: 1024,
    help: "parts of the cache",
  },
  virtualNodes: {
    kind: "integer",
    default: 1024,
    min: 1,
    max: 2048,
    help: "points on the ring for each shard; more spread the keys more evenly",
  },
  maxKeyLength: {
    kind: "integer",
    default: 256,
    min: 1,
    max: 65_536,
    unit: "characters",
    help: "longest key",
  },
  maxValueLength: {
    kind: "integer",
    default: 256,
    min: 0,
    max: 16_777_216,
    unit: "characters",
    help: "longest value",
  },
  maxBodyBytes: {
    kind: "integer",
    default: 4_194_304,
    min: 1024,
    max: 1_073_741_824,
    unit: "bytes",
    help: "largest request body, and most values in one answer of /mget",
  },
  idleTimeout: {
    kind: "integer",
    default: 75,
    min: 0,
    max: 255,
    unit: "seconds",
    help: "how long a connection may be idle; 0 is for ever",
  },
  logFormat: {
    kind: "choice",
    default: "text",
    of: ["text", "json"],
    help: "form of a log line",
  },
  logRequests: {
    kind: "switch",
    default: false,
    help: "log every request",
  },
  help: {
    kind: "switch",
    default: false,
    flagOnly: true,
    aliases: ["h"],
    help: "print this and stop",
  },
  version: {
    kind: "switch",
    default: false,
    flagOnly: true,
    aliases: ["v"],
    help: "print the version and stop",
  },
} as const satisfies OptionTable;

export type Config = OptionValues<typeof OPTIONS>;

/** Reads flags and environment; throws OptionError on the first bad one. */
export function readConfig(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Config {
  return readOptions(OPTIONS, args, env, ENV_PREFIX);
}

export const HELP = `ringcache ${version}: an in-memory key-value cache over HTTP

usage: bun run start [options]

${helpText(OPTIONS, ENV_PREFIX)}

A flag goes before its environment variable. The calls: docs/protocol.md`;

/** The table of options as the README and docs/operations.md show it. */
export function optionsMarkdown(): string {
  return markdownTable(OPTIONS, ENV_PREFIX);
}

/** Memory that this process may use, in bytes: the machine's, or less under a cgroup limit. */
export function systemMemoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
