// The connections of a port. The runtime does not tell of those of HTTP; Linux does.

import { whileDescriptorsLast } from "../machine.ts";
import { tcpSocketsOn, textOf } from "../tcp-table.ts";

const COUNTS = ["/proc/net/sockstat", "/proc/net/sockstat6"];

/**
 * The other ends of a local port's established connections, as `endpointOf` names them, of this
 * network namespace; undefined where nobody knows, and while no descriptor is free. O(sockets).
 */
export function establishedOn(port: number): string[] | undefined {
  if (process.platform !== "linux") return undefined;
  return whileDescriptorsLast(() => tcpSocketsOn(port, "established").map(({ remote }) => remote));
}

/**
 * TCP sockets of this network namespace: of no port there are more connections. Undefined while no
 * descriptor is free. O(1).
 */
export function socketsInUse(): number | undefined {
  return whileDescriptorsLast(() => {
    let count = 0;
    for (const file of COUNTS) count += Number(/^TCP6?: inuse (\d+)/m.exec(textOf(file))?.[1] ?? 0);
    return count;
  });
}

/** An address and a port as the tables of Linux have them: words in the machine's own order, in hexadecimal. */
export function endpointOf({ address, port }: { address: string; port: number }): string {
  const isMapped = /^::ffff:.*\./.test(address);
  const bytes = !address.includes(":")
    ? bytesOfIPv4(address)
    : isMapped
      ? [...Buffer.from("00000000000000000000ffff", "hex"), ...bytesOfIPv4(address.slice(7))]
      : bytesOfIPv6(address);
  const words: string[] = [];
  for (let at = 0; at < bytes.length; at += 4) {
    words.push(Buffer.from(bytes.slice(at, at + 4).reverse()).toString("hex"));
  }
  return `${words.join("")}:${port.toString(16).padStart(4, "0")}`.toUpperCase();
}

function bytesOfIPv4(address: string): number[] {
  return address.split(".").map(Number);
}

function bytesOfIPv6(address: string): number[] {
  const [head = "", tail] = address.replace(/%.*$/, "").split("::");
  const groupsOf = (text: string) => (text === "" ? [] : text.split(":"));
  const first = groupsOf(head);
  const last = groupsOf(tail ?? "");
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => "0");
  return [...first, ...zeros, ...last].flatMap((group) => {
    const word = parseInt(group, 16);
    return [word >> 8, word & 0xff];
  });
}
