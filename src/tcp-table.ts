// The TCP sockets of this network namespace, as Linux tells of them; the runtime does not.

import { readFileSync } from "node:fs";

const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];
const STATES = { established: "01", listening: "0A" } as const;

export interface TcpSocket {
  /** Address and port of the other end, in hexadecimal, the address in words of the machine's order. */
  readonly remote: string;
  readonly inode: string;
  /** Bytes that have come and were not read; of a socket that listens, connections that were not accepted. */
  readonly received: number;
}

/** The sockets of a local port that are in this state. Linux only. O(sockets). */
export function tcpSocketsOn(port: number, state: keyof typeof STATES): TcpSocket[] {
  const place = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const found: TcpSocket[] = [];
  for (const table of TABLES) {
    for (const line of textOf(table).split("\n")) {
      // number: local, remote, state, queues, timer, retransmits, user, timeout, inode
      const fields = line.trim().split(/\s+/, 10);
      const [, local = "", remote = "", code, queues = "", , , , , inode = ""] = fields;
      if (code !== STATES[state] || !local.endsWith(place)) continue;
      found.push({ remote, inode, received: parseInt(queues.slice(queues.indexOf(":") + 1), 16) });
    }
  }
  return found;
}

/** A file of /proc/net; empty where there is none: a machine may be without IPv6. */
export function textOf(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}
