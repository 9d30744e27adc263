// Records what concurrent clients saw, so that a linearizability checker can judge it:
// put, get and delete on few keys over HTTP, with the times of call and return.

import { Connection } from "../../../src/loadtest/connection.ts";

/** An operation of one client on one key. */
export interface Timed {
  readonly client: number;
  readonly key: string;
  /** Nanoseconds of one clock for all clients. */
  readonly call_ns: number;
  readonly return_ns: number;
}

/** One operation of one client, as a line of the history has it. */
export interface Operation extends Timed {
  readonly op: "put" | "get" | "delete";
  /** The value that was put, or that a get returned; null for a miss and for a delete. */
  readonly value: string | null;
  /** For a delete: whether there was an entry. */
  readonly found?: boolean;
}

export interface HistoryOptions {
  readonly url: string;
  readonly clients: number;
  /** Operations of each client. */
  readonly operations: number;
  readonly keys: number;
}

/** Runs the clients side by side, one connection each. Throws on an answer that is not of the protocol. */
export async function recordHistory(options: HistoryOptions): Promise<Operation[]> {
  const histories = await Promise.all(
    Array.from({ length: options.clients }, (_, client) => runClient(client, options)),
  );
  return histories.flat().sort((one, other) => one.call_ns - other.call_ns);
}

async function runClient(client: number, options: HistoryOptions): Promise<Operation[]> {
  const { hostname, port } = new URL(options.url);
  const connection = new Connection(hostname, Number(port));
  await connection.open();
  const history: Operation[] = [];
  for (let n = 0; n < options.operations; n++) {
    const key = `k${Math.floor(Math.random() * options.keys)}`;
    const dice = Math.random();
    const call_ns = Bun.nanoseconds();
    if (dice < 0.5) {
      const { status, body } = await connection.send("GET", `/get?key=${key}`);
      const return_ns = Bun.nanoseconds();
      const value = status === 404 ? null : (JSON.parse(body) as { value: string }).value;
      history.push({ client, op: "get", key, value, call_ns, return_ns });
    } else if (dice < 0.85) {
      // No value is put twice, so a get tells which put it saw.
      const value = `${client}:${n}`;
      await post(connection, "/put", { key, value });
      history.push({ client, op: "put", key, value, call_ns, return_ns: Bun.nanoseconds() });
    } else {
      const found = await post(connection, "/delete", { key });
      const return_ns = Bun.nanoseconds();
      history.push({ client, op: "delete", key, value: null, found, call_ns, return_ns });
    }
  }
  connection.close();
  return history;
}

/** False if there was no such key. */
async function post(connection: Connection, path: string, request: object): Promise<boolean> {
  const { status, body } = await connection.send("POST", path, JSON.stringify(request));
  if (status !== 200 && status !== 404) throw new Error(`${path}: ${status} ${body}`);
  return status === 200;
}
