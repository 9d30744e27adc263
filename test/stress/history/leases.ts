// Records what concurrent clients of both ports see of values, leases and tags, and says how one key
// behaves, so that check.ts can judge it: no value that was computed before an acknowledged delete or
// invalidation is stored after it.

import { Connection } from "../../../src/loadtest/connection.ts";
import type { Apply } from "./check.ts";
import type { HistoryOptions, Timed } from "./record.ts";

/**
 * put, delete, invalidate, get; lease: a get with a lease; fill: a put with a lease. Each entry has one
 * tag, which names its key.
 */
export interface LeaseOperation extends Timed {
  readonly op: "put" | "delete" | "invalidate" | "get" | "lease" | "fill";
  /** The value that was put or returned; null for none. */
  readonly value: string | null;
  /** The lease that was given or used; null for none. */
  readonly lease: string | null;
  /** For a fill: whether it stored; for a delete: whether there was an entry. */
  readonly done: boolean;
}

export interface LeaseHistoryOptions extends HistoryOptions {
  readonly redisPort: number;
  /** Fills without the lease: the control. */
  readonly isNaive: boolean;
}

/** The state of a key: its value, and its open lease with a mark once it is void. */
interface State {
  readonly value: string | null;
  readonly lease: string | null;
  readonly isVoid: boolean;
}

const EMPTY: State = { value: null, lease: null, isVoid: false };

/** How a key behaves. */
export const applyToLeases: Apply<LeaseOperation> = (operation, text) => {
  const after = stateAfter(operation, text === null ? EMPTY : (JSON.parse(text) as State));
  return after && JSON.stringify(after);
};

function stateAfter(operation: LeaseOperation, state: State): State | undefined {
  const { op, value, lease, done } = operation;
  switch (op) {
    case "put":
      return { ...EMPTY, value };
    case "delete":
      return done === (state.value !== null) ? EMPTY : undefined;
    case "invalidate":
      // The record of the lease stays until its holder, which cannot store any more, ends it.
      return { ...EMPTY, lease: state.lease, isVoid: true };
    case "get":
      return value === state.value ? state : undefined;
    case "lease":
      if (value !== null) return value === state.value ? state : undefined;
      if (lease === null) return state.value === null && state.lease !== null ? state : undefined;
      return state.value === null && state.lease === null ? { ...EMPTY, lease } : undefined;
    case "fill": {
      const isValid = state.lease === lease && !state.isVoid;
      if (done) return isValid ? { ...EMPTY, value } : undefined;
      if (isValid) return undefined;
      return state.lease === lease ? { ...EMPTY, value: state.value } : state;
    }
  }
}

/** Runs the clients side by side, one connection each, on both ports in turn. */
export async function recordLeases(options: LeaseHistoryOptions): Promise<LeaseOperation[]> {
  const histories = await Promise.all(
    Array.from({ length: options.clients }, async (_, client) => {
      const { hostname, port } = new URL(options.url);
      const peer =
        client % 2 === 0
          ? await httpClient(hostname, Number(port))
          : redisClient(options.redisPort);
      const history = await runClient(peer, client, options);
      peer.close();
      return history;
    }),
  );
  return histories.flat().sort((one, other) => one.call_ns - other.call_ns);
}

/** One client of one port. */
interface Peer {
  get(key: string): Promise<string | null>;
  lease(key: string): Promise<{ value: string | null; lease: string | null }>;
  /** Returns whether it stored. */
  put(key: string, value: string, lease: string | undefined): Promise<boolean>;
  delete(key: string): Promise<boolean>;
  invalidate(tag: string): Promise<void>;
  close(): void;
}

const LEASE_SECONDS = 600;

async function httpClient(hostname: string, port: number): Promise<Peer> {
  const connection = new Connection(hostname, port);
  await connection.open();
  const send = async (path: string, body?: object) => {
    const { status, body: text } =
      body === undefined
        ? await connection.send("GET", path)
        : await connection.send("POST", path, JSON.stringify(body));
    if (![200, 404, 409].includes(status)) throw new Error(`${path}: ${status} ${text}`);
    return { ...(JSON.parse(text) as { value?: string; lease?: string }), status };
  };
  return {
    get: async (key) => (await send(`/get?key=${key}`)).value ?? null,
    async lease(key) {
      const { value = null, lease = null } = await send(`/get?key=${key}&lease=${LEASE_SECONDS}`);
      return { value, lease };
    },
    async put(key, value, lease) {
      return (await send("/put", { key, value, tags: [key], lease })).status === 200;
    },
    delete: async (key) => (await send("/delete", { key })).status === 200,
    invalidate: async (tag) => void (await send("/invalidate", { tags: [tag] })),
    close: () => connection.close(),
  };
}

function redisClient(port: number): Peer {
  const client = new Bun.RedisClient(`redis://127.0.0.1:${port}`);
  return {
    get: async (key) => await client.get(key),
    async lease(key) {
      const reply: unknown = await client.send("RC.GET", [key, "LEASE", `${LEASE_SECONDS}`]);
      const { value, lease } = reply as { value: string | null; lease: string | null };
      return { value, lease };
    },
    async put(key, value, lease) {
      const words = [
        key,
        value,
        "TAGS",
        "1",
        key,
        ...(lease === undefined ? [] : ["LEASE", lease]),
      ];
      return (await client.send("RC.SET", words)) === "OK";
    },
    delete: async (key) => (await client.del(key)) === 1,
    invalidate: async (tag) => void (await client.send("RC.INVALIDATE", [tag])),
    close: () => client.close(),
  };
}

async function runClient(
  peer: Peer,
  client: number,
  { operations, keys, isNaive }: LeaseHistoryOptions,
): Promise<LeaseOperation[]> {
  const history: LeaseOperation[] = [];
  /** The leases of this client. */
  const held = new Map<string, string>();
  for (let n = 0; n < operations; n++) {
    const key = `k${Math.floor(Math.random() * keys)}`;
    const dice = Math.random();
    // No value is put twice, so a get tells which put it saw.
    const newValue = `${client}:${n}`;
    const lease = held.get(key) ?? null;
    const call_ns = Bun.nanoseconds();
    const note = (seen: Pick<LeaseOperation, "op"> & Partial<LeaseOperation>) => {
      const usual = { value: null, lease: null, done: true };
      history.push({ client, key, ...usual, ...seen, call_ns, return_ns: Bun.nanoseconds() });
    };
    if (lease !== null && dice < 0.5) {
      held.delete(key);
      const done = await peer.put(key, newValue, isNaive ? undefined : lease);
      note({ op: "fill", value: newValue, lease, done });
    } else if (dice < 0.25) note({ op: "get", value: await peer.get(key) });
    else if (dice < 0.7 && lease === null) {
      const found = await peer.lease(key);
      if (found.lease !== null) held.set(key, found.lease);
      note({ op: "lease", ...found });
    } else if (dice < 0.8) {
      await peer.put(key, newValue, undefined);
      note({ op: "put", value: newValue });
    } else if (dice < 0.9) note({ op: "delete", done: await peer.delete(key) });
    else {
      await peer.invalidate(key);
      note({ op: "invalidate" });
    }
  }
  return history;
}
