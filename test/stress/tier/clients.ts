// Clients of a node for the checker: one key in, its version out, over either protocol.
//
// A key's value is its name and a version: `k7:12`. A missing key has version 0.

import { Connection } from "../../../src/loadtest/connection.ts";
import { Line } from "./ask.ts";
import type { TierNode } from "./nodes.ts";

export interface VersionClient {
  /** Rejects if the node responds with an error. Throws WrongValue if the value is that of another key. */
  read(key: string): Promise<number>;
  /** Resolves once the write is acknowledged. */
  write(key: string, version: number): Promise<void>;
  close(): void;
}

/** A value that was never written for its key: always a fault of the node. */
export class WrongValue extends Error {}

export function versionOf(key: string, value: unknown): number {
  if (value === null) return 0;
  const [name, version] = String(value).split(":");
  if (name !== key) throw new WrongValue(`${key} has the value ${String(value)}`);
  return Number(version);
}

export function httpClient({ httpPort }: TierNode): VersionClient {
  const connection = new Connection("127.0.0.1", httpPort);
  return {
    async read(key) {
      const { status, body } = await connection.send("GET", `/get?key=${key}`);
      if (status === 404) return 0;
      if (status !== 200) throw new Error(`${status} ${body}`);
      return versionOf(key, (JSON.parse(body) as { value: string }).value);
    },
    async write(key, version) {
      const entry = JSON.stringify({ key, value: `${key}:${version}` });
      const { status, body } = await connection.send("POST", "/put", entry);
      if (status !== 200) throw new Error(`${status} ${body}`);
    },
    close: () => connection.close(),
  };
}

export function redisClient({ redisPort }: TierNode): VersionClient {
  const line = new Line(redisPort, 10_000);
  return {
    read: async (key) => versionOf(key, await line.send("GET", key)),
    write: async (key, version) => void (await line.send("SET", key, `${key}:${version}`)),
    close: () => line[Symbol.dispose](),
  };
}
