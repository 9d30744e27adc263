// The TCP sockets of this network namespace, from /proc/net. The runtime does not list them.

import { readFileSync } from "node:fs";

import { errorCode } from "./error-code.ts";

const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];
/** connected: established, or closed only by the other end. waiting: TIME_WAIT. */
const STATES = { connected: "0[18]", waiting: "06", listening: "0A" } as const;

export interface TcpSocket {
  /** Address and port of the other end in hexadecimal. The address is in words of the machine's byte order. */
  readonly remote: string;
  readonly inode: string;
  /** Received bytes that were not read; for a listening socket, connections that were not accepted. */
  readonly received: number;
}

/** Returns the sockets of a local port in this state. Linux only. O(sockets of the namespace). */
export function tcpSocketsOn(port: number, state: keyof typeof STATES): TcpSocket[] {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  // number: local remote state sent:received timer retransmits user timeout inode
  const line = new RegExp(
    `: [0-9A-F]+:${hexPort} (\\S+) ${STATES[state]} \\w+:(\\w+) \\S+ +\\S+ +\\d+ +\\d+ (\\d+)`,
    "g",
  );
  return TABLES.flatMap((table) =>
    [...readIfPresent(table).matchAll(line)].map(([, remote = "", received = "", inode = ""]) => {
      return { remote, inode, received: parseInt(received, 16) };
    }),
  );
}

/** Returns the text of a file; "" if it does not exist: a machine may have no IPv6. */
function readIfPresent(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "";
    throw error;
  }
}
