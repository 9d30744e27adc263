// The other end of a connection as a key: the 16 bytes of its IPv6 address and the 2 of its port,
// one character a byte. An IPv4 address takes its mapped form, ::ffff:a.b.c.d.

export const KEY_LENGTH = 18;
export const MAPPED_PREFIX = "\0".repeat(10) + "\xff\xff";

/** The key of an address and a port as the runtime gives them. */
export function keyOf({ address, port }: { address: string; port: number }): string {
  const ipv4 = /^(?:::ffff:)?(\d+)\.(\d+)\.(\d+)\.(\d+)$/i.exec(address);
  const bytes = ipv4 === null ? groupsOf(address).flatMap(bytesOfWord) : ipv4.slice(1).map(Number);
  const prefix = ipv4 === null ? "" : MAPPED_PREFIX;
  return prefix + String.fromCharCode(...bytes, ...bytesOfWord(port));
}

function bytesOfWord(word: number): [high: number, low: number] {
  return [word >> 8, word & 0xff];
}

/** The eight groups of an IPv6 address in hexadecimal, of which "::" leaves out those that are zero. */
function groupsOf(address: string): number[] {
  const [head = "", tail] = address.replace(/%.*$/, "").split("::");
  const parse = (text: string) =>
    text === "" ? [] : text.split(":").map((group) => parseInt(group, 16));
  const first = parse(head);
  const last = parse(tail ?? "");
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => 0);
  return [...first, ...zeros, ...last];
}
