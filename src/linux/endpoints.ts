// The client's end of a connection as a key: 16 characters for the bytes of its IPv6 address, and 2 for
// its port. An IPv4 address takes its mapped form, ::ffff:a.b.c.d.

export const KEY_LENGTH = 18;
export const MAPPED_PREFIX = "\0".repeat(10) + "\xff\xff";

/** Returns the key of an address and a port. */
export function keyOf({ address, port }: { address: string; port: number }): string {
  const ipv4 = /^(?:::ffff:)?(\d+)\.(\d+)\.(\d+)\.(\d+)$/i.exec(address);
  const bytes = ipv4 === null ? ipv6Groups(address).flatMap(wordBytes) : ipv4.slice(1).map(Number);
  const prefix = ipv4 === null ? "" : MAPPED_PREFIX;
  return prefix + String.fromCharCode(...bytes, ...wordBytes(port));
}

function wordBytes(word: number): [high: number, low: number] {
  return [word >> 8, word & 0xff];
}

/** Returns the eight groups of an IPv6 address; "::" stands for groups of zeros. */
function ipv6Groups(address: string): number[] {
  const [head = "", tail] = address.replace(/%.*$/, "").split("::");
  const parse = (text: string) =>
    text === "" ? [] : text.split(":").map((group) => parseInt(group, 16));
  const first = parse(head);
  const last = parse(tail ?? "");
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => 0);
  return [...first, ...zeros, ...last];
}
