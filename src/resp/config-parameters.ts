// The parameters of CONFIG: options that redis has a name for, and parameters that clients and test
// suites read when they start. The parameters that can be set are in memory that the workers share.

import { resolve } from "node:path";

import { type Config, redisEvictionPolicyOf } from "../config/config.ts";

const PROTO_MAX_BULK_LEN = 0;
const QUERY_LIMIT = 1;
const TCP_KEEPALIVE = 2;
const PAUSED_UNTIL = 3;
const PAUSES_ALL = 4;
const SCRIPT_TIMEOUT_MS = 5;
const TRACKING_KEYS_MAX = 6;
const NUMBERS = 7;
/** As in Redis. The bytes of the keys have a limit of their own, --max-subscription-bytes. */
const TRACKING_KEYS_DEFAULT = 1_000_000;
const NO_NOTIFICATIONS =
  "there are no keyspace notifications: use CLIENT TRACKING to learn which keys change";
const LIMIT_BYTES_MIN = 2 ** 20;
const KEEPALIVE_SECONDS_MAX = 32_767;
const SCRIPT_TIMEOUT_MS_MAX = 3_600_000;

/** Returns memory for the settings of all workers, with the values of the configuration. */
export function allocateSettings(config: Config): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(NUMBERS * Float64Array.BYTES_PER_ELEMENT);
  const { respQueryLimit, tcpKeepalive, scriptTimeout } = config;
  const numbers = new Float64Array(memory);
  numbers.set([respQueryLimit, respQueryLimit, tcpKeepalive]);
  numbers[SCRIPT_TIMEOUT_MS] = Math.round(scriptTimeout * 1000);
  numbers[TRACKING_KEYS_MAX] = TRACKING_KEYS_DEFAULT;
  return memory;
}

/** A parameter of CONFIG SET: its name in lower case, its new value, and the name as an error repeats it. */
export interface ParameterText {
  readonly name: string;
  readonly value: string;
  readonly shown: string;
}

interface Parameter {
  readonly name: string;
  readonly read: () => string;
  /** Sets the value. Returns false if the text is invalid. Undefined if the parameter is fixed. */
  readonly write?: (value: string) => boolean;
  /** Why the value cannot be set, if the reason is not that of most parameters. */
  readonly reason?: string;
}

export class Settings {
  readonly #numbers: Float64Array;
  readonly #parameters: ReadonlyMap<string, Parameter>;

  constructor(memory: SharedArrayBuffer, config: Config) {
    this.#numbers = new Float64Array(memory);
    this.#parameters = new Map(this.#table(config).map((parameter) => [parameter.name, parameter]));
  }

  /** Maximum size of an argument in bytes. */
  get maxBulkBytes(): number {
    return this.#numbers[PROTO_MAX_BULK_LEN] ?? 0;
  }

  /** Maximum size of an incomplete command in bytes. */
  get queryLimit(): number {
    return this.#numbers[QUERY_LIMIT] ?? 0;
  }

  /** Seconds without traffic before the kernel probes the client of a new connection; 0 means never. */
  get tcpKeepalive(): number {
    return this.#numbers[TCP_KEEPALIVE] ?? 0;
  }

  /** Time of the cache's clock until which CLIENT PAUSE lets commands wait; 0 without a pause. */
  get pausedUntilMs(): number {
    return this.#numbers[PAUSED_UNTIL] ?? 0;
  }

  /** Whether all commands wait, or only those that write. */
  get pausesAll(): boolean {
    return this.#numbers[PAUSES_ALL] === 1;
  }

  /** Begins a pause, or ends it with a time that is over. */
  pause(untilMs: number, pausesAll: boolean): void {
    this.#numbers[PAUSES_ALL] = pausesAll ? 1 : 0;
    this.#numbers[PAUSED_UNTIL] = untilMs;
  }

  /** Maximum duration of a script in milliseconds. */
  get scriptTimeoutMs(): number {
    return this.#numbers[SCRIPT_TIMEOUT_MS] ?? 0;
  }

  /** Most keys that the service tracks for clients; 0: no limit. */
  get trackingKeysMax(): number {
    return this.#numbers[TRACKING_KEYS_MAX] ?? 0;
  }

  get names(): string[] {
    return [...this.#parameters.keys()];
  }

  read(name: string): string {
    return this.#parameters.get(name)?.read() ?? "";
  }

  /** Sets all parameters and returns undefined, or sets none and returns the error text of redis. */
  set(pairs: readonly ParameterText[]): string | undefined {
    const names = new Set<string>();
    for (const { name, shown } of pairs) {
      if (!this.#parameters.has(name))
        return `ERR Unknown option or number of arguments for CONFIG SET - '${shown}'`;
      if (names.has(name))
        return `ERR CONFIG SET failed (possibly related to argument '${name}') - duplicate parameter`;
      names.add(name);
    }
    const before = pairs.map(({ name }) => [name, this.read(name)] as const);
    for (const [index, { name, value }] of pairs.entries()) {
      const parameter = this.#parameters.get(name);
      if (parameter === undefined || parameter.read() === value) continue;
      if (parameter.write?.(value)) continue;
      for (const [changed, old] of before.slice(0, index))
        this.#parameters.get(changed)?.write?.(old);
      const reason =
        parameter.reason ??
        (parameter.write ? "argument couldn't be parsed" : "can't set immutable config");
      return `ERR CONFIG SET failed (possibly related to argument '${name}') - ${reason}`;
    }
    return undefined;
  }

  #table(config: Config): Parameter[] {
    const { snapshotInterval: interval, respOutputLimit: output } = config;
    const fixed = (name: string, value: string | number, reason?: string): Parameter => ({
      name,
      read: () => String(value),
      ...(reason === undefined ? {} : { reason }),
    });
    const number = (name: string, index: number, parse = parseLimit): Parameter => ({
      name,
      read: () => String(this.#numbers[index]),
      write: (text) => {
        const value = parse(text);
        if (value === undefined) return false;
        this.#numbers[index] = value;
        return true;
      },
    });
    return [
      fixed("appendonly", "no"),
      fixed("bind", config.host),
      number("busy-reply-threshold", SCRIPT_TIMEOUT_MS, parseTimeout),
      fixed("client-output-buffer-limit", `normal ${output} 0 0 slave 0 0 0 pubsub ${output} 0 0`),
      number("client-query-buffer-limit", QUERY_LIMIT),
      fixed("daemonize", "no"),
      fixed("databases", config.databases),
      fixed("dbfilename", "ringcache.snapshot"),
      fixed("dir", config.dataDir === "" ? process.cwd() : resolve(config.dataDir)),
      fixed("enable-debug-command", config.enableDebugCommand ? "yes" : "no"),
      fixed("io-threads", config.workers),
      fixed("latency-monitor-threshold", 0),
      number("lua-time-limit", SCRIPT_TIMEOUT_MS, parseTimeout),
      fixed("maxclients", config.maxConnections),
      fixed("maxmemory", config.memory),
      fixed("maxmemory-clients", config.maxPendingBytes),
      fixed("maxmemory-policy", redisEvictionPolicyOf(config)),
      fixed("notify-keyspace-events", "", NO_NOTIFICATIONS),
      fixed("port", config.respPort),
      number("proto-max-bulk-len", PROTO_MAX_BULK_LEN),
      fixed("replicaof", ""),
      fixed("requirepass", ""),
      fixed("save", config.dataDir === "" || interval === 0 ? "" : `${interval} 1`),
      fixed("slaveof", ""),
      fixed("slowlog-log-slower-than", -1),
      fixed("slowlog-max-len", 0),
      number("tcp-keepalive", TCP_KEEPALIVE, parseSeconds),
      number("tracking-table-max-keys", TRACKING_KEYS_MAX, parseCount),
      fixed("timeout", config.respIdleTimeout),
    ];
  }
}

/** Parses a limit in bytes. Returns undefined for an invalid or too small limit. */
function parseLimit(text: string): number | undefined {
  const bytes = parseBytes(text);
  return bytes === undefined || bytes < LIMIT_BYTES_MIN ? undefined : bytes;
}

/** Parses a number of seconds that the kernel accepts for TCP_KEEPIDLE. */
function parseSeconds(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= KEEPALIVE_SECONDS_MAX ? Number(text) : undefined;
}

/** Parses the duration of a script in milliseconds. Zero, without a limit in Redis, is invalid. */
function parseTimeout(text: string): number | undefined {
  const ms = /^\d{1,8}$/.test(text) ? Number(text) : 0;
  return ms > 0 && ms <= SCRIPT_TIMEOUT_MS_MAX ? ms : undefined;
}

function parseCount(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Parses a size such as "64mb" by the rules of redis: k, m, g are powers of 1000; kb, mb, gb of 1024. */
function parseBytes(text: string): number | undefined {
  const parts = /^(\d{1,15})(|b|k|m|g|kb|mb|gb)$/i.exec(text);
  if (parts === null) return undefined;
  const [, digits, unit = ""] = parts;
  const base = unit.length === 2 ? 1024 : 1000;
  return Number(digits) * base ** "_kmg".indexOf(unit[0]?.replace("b", "_") ?? "_");
}
