// The options of a node with --upstream, which are a part of the table of options.

import type { OptionTable } from "./parse.ts";

export const UPSTREAM_OPTIONS = {
  upstream: {
    kind: "text",
    default: "",
    placeholder: "host:port,... or rediss://user@host:port,...",
    help: "Redis or Valkey that holds the entries, a cluster or one server; this node is then a near cache in front of it",
  },
  upstreamPasswordFile: {
    kind: "text",
    default: "",
    placeholder: "a file that holds only the password",
    help: "file that holds the password of the upstream's user",
  },
  upstreamTlsCa: {
    kind: "text",
    default: "",
    placeholder: "a file in PEM format",
    help: "authorities of the upstream's certificates; none: those of the system",
  },
  upstreamTimeout: {
    kind: "number",
    default: 1,
    min: 0.05,
    max: 60,
    unit: "seconds",
    help: "longest time for a command of the upstream; connecting may take half of it",
  },
  nearTtl: {
    kind: "number",
    default: 60,
    min: 0.1,
    max: 86_400,
    unit: "seconds",
    help: "longest time for which a value of the upstream is kept near",
  },
  nearMaxStale: {
    kind: "number",
    default: 1,
    min: 0.1,
    max: 60,
    unit: "seconds",
    help: "longest time for which a near value may be older than the upstream's, whatever fails",
  },
  nearPrefix: {
    kind: "text",
    default: "",
    placeholder: "prefixes of keys, separated by commas",
    help: "only keys with one of these prefixes are kept near; none: all keys",
  },
  staleIfError: {
    kind: "number",
    default: 0,
    min: 0,
    max: 86_400,
    unit: "seconds",
    help: "how long GET /get serves the last near value, marked as stale, while the upstream cannot be reached; 0: never",
  },
} as const satisfies OptionTable;
