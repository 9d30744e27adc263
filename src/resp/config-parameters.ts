// The parameters of CONFIG: what of ours redis has a name for, and what clients and test
// suites ask for when they start. Those that can be set are in memory that the workers share.

import { resolve } from "node:path";

import type { Config } from "../config/config.ts";

const PROTO_MAX_BULK_LEN = 0;
const QUERY_LIMIT = 1;
const TCP_KEEPALIVE = 2;
const MIN_BYTES = 2 ** 20;
const MAX_KEEPALIVE_SECONDS = 32_767;

/** Memory for the settings of all workers, as the configuration has them. */
export function allocateSettings(config: Config): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(3 * Float64Array.BYTES_PER_ELEMENT);
  const { respQueryLimit, tcpKeepalive } = config;
  new Float64Array(memory).set([respQueryLimit, respQueryLimit, tcpKeepalive]);
  return memory;
}

interface Parameter {
  readonly name: string;
  readonly read: () => string;
  /** Takes a new value; false if it is not one. Without it the value is what it is. */
  readonly write?: (value: string) => boolean;
}

export class Settings {
  readonly #numbers: Float64Array;
  readonly #parameters: ReadonlyMap<string, Parameter>;

  constructor(memory: SharedArrayBuffer, config: Config) {
    this.#numbers = new Float64Array(memory);
    this.#parameters = new Map(this.#table(config).map((parameter) => [parameter.name, parameter]));
  }

  /** Longest argument of a command, in bytes. */
  get maxBulkBytes(): number {
    return this.#numbers[PROTO_MAX_BULK_LEN] ?? 0;
  }

  /** Most bytes that a connection may have sent of commands that are not whole. */
  get queryLimit(): number {
    return this.#numbers[QUERY_LIMIT] ?? 0;
  }

  /** Seconds of silence after which a new connection's client is asked whether it is there; 0 is never. */
  get tcpKeepalive(): number {
    return this.#numbers[TCP_KEEPALIVE] ?? 0;
  }

  get names(): string[] {
    return [...this.#parameters.keys()];
  }

  read(name: string): string {
    return this.#parameters.get(name)?.read() ?? "";
  }

  /** Sets all and returns undefined, or sets none and returns why, as redis words it. */
  set(pairs: readonly (readonly [name: string, value: string])[]): string | undefined {
    const names = new Set<string>();
    for (const [name] of pairs) {
      if (!this.#parameters.has(name))
        return `ERR Unknown option or number of arguments for CONFIG SET - '${name}'`;
      if (names.has(name))
        return `ERR CONFIG SET failed (possibly related to argument '${name}') - duplicate parameter`;
      names.add(name);
    }
    const before = pairs.map(([name]) => [name, this.#parameters.get(name)?.read() ?? ""] as const);
    for (const [place, [name, value]] of pairs.entries()) {
      const parameter = this.#parameters.get(name);
      if (parameter === undefined || parameter.read() === value) continue;
      if (parameter.write?.(value)) continue;
      for (const [changed, old] of before.slice(0, place))
        this.#parameters.get(changed)?.write?.(old);
      const reason = parameter.write ? "argument couldn't be parsed" : "can't set immutable config";
      return `ERR CONFIG SET failed (possibly related to argument '${name}') - ${reason}`;
    }
    return undefined;
  }

  #table(config: Config): Parameter[] {
    const { snapshotInterval: interval } = config;
    const fixed = (name: string, value: string | number): Parameter => ({
      name,
      read: () => String(value),
    });
    const number = (name: string, place: number, parse = limitOf): Parameter => ({
      name,
      read: () => String(this.#numbers[place]),
      write: (text) => {
        const value = parse(text);
        if (value === undefined) return false;
        this.#numbers[place] = value;
        return true;
      },
    });
    return [
      fixed("appendonly", "no"),
      fixed("bind", config.host),
      number("client-query-buffer-limit", QUERY_LIMIT),
      fixed("databases", 1),
      fixed("dbfilename", "ringcache.snapshot"),
      fixed("dir", config.dataDir === "" ? process.cwd() : resolve(config.dataDir)),
      fixed("enable-debug-command", config.enableDebugCommand ? "yes" : "no"),
      fixed("io-threads", config.workers),
      fixed("latency-monitor-threshold", 0),
      fixed("maxclients", config.maxConnections),
      fixed("maxmemory", config.memory),
      fixed("maxmemory-clients", config.maxPendingBytes),
      fixed("maxmemory-policy", config.eviction === "none" ? "noeviction" : "allkeys-s3fifo"),
      fixed("notify-keyspace-events", ""),
      fixed("port", config.respPort),
      number("proto-max-bulk-len", PROTO_MAX_BULK_LEN),
      fixed("requirepass", ""),
      fixed("save", config.dataDir === "" || interval === 0 ? "" : `${interval} 1`),
      fixed("slowlog-log-slower-than", -1),
      fixed("slowlog-max-len", 0),
      number("tcp-keepalive", TCP_KEEPALIVE, secondsOf),
      fixed("timeout", config.respIdleTimeout),
    ];
  }
}

/** Bytes of a limit that lets commands through. */
function limitOf(text: string): number | undefined {
  const bytes = bytesOf(text);
  return bytes === undefined || bytes < MIN_BYTES ? undefined : bytes;
}

/** What the kernel takes for TCP_KEEPIDLE. */
function secondsOf(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= MAX_KEEPALIVE_SECONDS ? Number(text) : undefined;
}

/** "64mb" as redis reads it: k, m, g are thousands, kb, mb, gb are of 1,024. */
function bytesOf(text: string): number | undefined {
  const parts = /^(\d{1,15})(|b|k|m|g|kb|mb|gb)$/i.exec(text);
  if (parts === null) return undefined;
  const [, digits, unit = ""] = parts;
  const base = unit.length === 2 ? 1024 : 1000;
  return Number(digits) * base ** "_kmg".indexOf(unit[0]?.replace("b", "_") ?? "_");
}
