// The options of the load-test tool.

import { type OptionTable, type OptionValues } from "../config/parse.ts";

export const OPTIONS = {
  host: {
    kind: "text",
    default: "localhost",
    placeholder: "a host name or address",
    help: "where the service runs",
  },
  port: { kind: "integer", default: 7171, min: 1, max: 65_535, help: "its HTTP port" },
  tls: { kind: "switch", default: false, help: "the service speaks TLS" },
  authToken: {
    kind: "secret",
    default: "",
    help: "token of a service that asks for one; better in a file",
  },
  authTokenFile: {
    kind: "text",
    default: "",
    placeholder: "a file that holds the token and nothing else",
    help: "the token from a file",
  },
  requests: {
    kind: "integer",
    default: 100_000,
    min: 1,
    max: 1_000_000_000,
    aliases: ["n"],
    help: "requests in all",
  },
  connections: {
    kind: "integer",
    default: 100,
    min: 1,
    max: 10_000,
    aliases: ["c"],
    help: "connections, each with one request at a time",
  },
  getPercent: {
    kind: "number",
    default: 80,
    min: 0,
    max: 100,
    aliases: ["g"],
    help: "how many of the requests are GETs; the others are PUTs",
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
    help: "make lengths random, up to these",
  },
  rate: {
    kind: "number",
    default: 0,
    min: 0,
    max: 10_000_000,
    unit: "requests a second",
    help: "send at this rate, measured from when a request was due; 0 is no rate",
  },
  trace: {
    kind: "text",
    default: "",
    placeholder: "a gzip file of little-endian 32-bit key numbers",
    help: "replay these keys, whatever --requests: get, and put on a miss",
  },
  seed: {
    kind: "integer",
    default: 0,
    min: 0,
    max: 4_294_967_295,
    help: "what keys, values and their order come from; 0 takes a fresh one",
  },
  json: { kind: "switch", default: false, help: "print the result as JSON" },
  help: { kind: "switch", default: false, aliases: ["h"], help: "print this and stop" },
} as const satisfies OptionTable;

export type LoadOptions = Omit<OptionValues<typeof OPTIONS>, "authToken" | "authTokenFile"> & {
  /** "" without one. */
  readonly token: string;
};
