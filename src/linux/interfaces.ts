// The bytes that the network interfaces have received and sent, as the kernel counts them.

import { readFileSync } from "node:fs";

const LOOPBACK = "lo";
/** Columns behind the name: bytes received, and bytes sent. */
const RECEIVED = 0;
const SENT = 8;

export interface InterfaceBytes {
  readonly received: number;
  readonly sent: number;
}

/**
 * Returns the sums over all interfaces of the process's network namespace but the loopback, since they
 * exist; undefined if the system does not tell. 40 µs.
 */
export function interfaceBytes(
  read = () => readFileSync("/proc/net/dev", "latin1"),
): InterfaceBytes | undefined {
  let text: string;
  try {
    text = read();
  } catch {
    // Another system, a sandbox, or no free descriptor: a statistic must not end the thread.
    return undefined;
  }
  let received = 0;
  let sent = 0;
  for (const [, name = "", numbers = ""] of text.matchAll(/^ *([^ :]+): *(.*)$/gm)) {
    if (name === LOOPBACK) continue;
    const columns = numbers.split(/ +/).map(Number);
    received += columns[RECEIVED] ?? 0;
    sent += columns[SENT] ?? 0;
  }
  return { received, sent };
}
