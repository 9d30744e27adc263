// The TCP sockets of this network namespace, as Linux tells of them; the runtime does not.

import { readFileSync } from "node:fs";

import { errorCode } from "./error-code.ts";

const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];
/** Connected: established, or closed by the other end only. Waiting: TIME_WAIT. */
const STATES = { connected: "0[18]", waiting: "06", listening: "0A" } as const;

export interface TcpSocket {
  /** Address and port of the other end, in hexadecimal, the address in words of the machine's order. */
  readonly remote: string;
  readonly inode: string;
  /** Bytes that have come and were not read; of a socket that listens, connections that were not accepted. */
  readonly received: number;
}

/** The sockets of a local port that are in this state. Linux only. O(sockets of the namespace). */
export function tcpSocketsOn(port: number, state: keyof typeof STATES): TcpSocket[] {
  const place = port.toString(16).toUpperCase().padStart(4, "0");
  // number: local remote state sent:received timer retransmits user timeout inode
  const line = new RegExp(
    `: [0-9A-F]+:${place} (\\S+) ${STATES[state]} \\w+:(\\w+) \\S+ +\\S+ +\\d+ +\\d+ (\\d+)`,
    "g",
  );
  return TABLES.flatMap((table) =>
    [...textOf(table).matchAll(line)].map(([, remote = "", received = "", inode = ""]) => {
      return { remote, inode, received: parseInt(received, 16) };
    }),
  );
}

/** A file of /proc/net; empty where there is none: a machine may be without IPv6. */
export function textOf(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "";
    throw error;
  }
}
