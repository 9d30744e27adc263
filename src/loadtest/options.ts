// The options of the load-test tool.

import { type OptionTable, type OptionValues } from "../config/parse.ts";

export const OPTIONS = {
  host: {
    kind: "text",
    default: "localhost",
    placeholder: "a host name or address",
    help: "host of the service",
  },
  port: { kind: "integer", default: 7171, min: 1, max: 65_535, help: "HTTP port of the service" },
  tls: { kind: "switch", default: false, help: "connect with TLS" },
  authToken: {
    kind: "secret",
    default: "",
    help: "token of the service, if it requires one; a file is safer",
  },
  authTokenFile: {
    kind: "text",
    default: "",
    placeholder: "a file that holds only the token",
    help: "file with the token of the service",
  },
  requests: {
    kind: "integer",
    default: 100_000,
    min: 1,
    max: 1_000_000_000,
    aliases: ["n"],
    help: "number of requests",
  },
  connections: {
    kind: "integer",
    default: 100,
    min: 1,
    max: 10_000,
    aliases: ["c"],
    help: "number of connections; each sends one request at a time",
  },
  getPercent: {
    kind: "number",
    default: 80,
    min: 0,
    max: 100,
    aliases: ["g"],
    help: "percentage of GETs; the other requests are PUTs",
  },
  keyLength: {
    kind: "integer",
    default: 10,
    min: 1,
    max: 4096,
    unit: "characters",
    aliases: ["klen"],
    help: "length of a key",
  },
  valueLength: {
    kind: "integer",
    default: 100,
    min: 0,
    max: 65_536,
    unit: "characters",
    aliases: ["vlen"],
    help: "length of a value",
  },
  randomLength: {
    kind: "switch",
    default: false,
    aliases: ["random-len"],
    help: "lengths vary from 1 up to these two",
  },
  rate: {
    kind: "number",
    default: 0,
    min: 0,
    max: 10_000_000,
    unit: "requests a second",
    help: "send requests at fixed times, and measure from these; 0: each connection sends after a response",
  },
  trace: {
    kind: "text",
    default: "",
    placeholder: "a gzip file of little-endian 32-bit key numbers",
    help: "get the keys of this trace, and put them on a miss; --requests has no effect then",
  },
  seed: {
    kind: "integer",
    default: 0,
    min: 0,
    max: 4_294_967_295,
    help: "start of the random keys, values and order; 0 takes a new one",
  },
  json: { kind: "switch", default: false, help: "print the result as JSON" },
  help: { kind: "switch", default: false, aliases: ["h"], help: "print this and stop" },
} as const satisfies OptionTable;

export type LoadOptions = Omit<OptionValues<typeof OPTIONS>, "authToken" | "authTokenFile"> & {
  /** "" without one. */
  readonly token: string;
};
