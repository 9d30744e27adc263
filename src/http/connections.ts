// How many connections a port has. The runtime does not count those of HTTP; Linux does.

import { readFileSync } from "node:fs";

const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];
const ESTABLISHED = "01";

/** Established connections of the local port, of this network namespace; undefined where nobody knows. O(sockets). */
export function establishedOn(port: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  const place = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  let count = 0;
  for (const table of TABLES) {
    for (const line of linesOf(table)) {
      // number: local address, remote address, state, …
      const [, local, , state] = line.trim().split(/\s+/, 4);
      if (state === ESTABLISHED && local?.endsWith(place) === true) count++;
    }
  }
  return count;
}

/** None where there is no such table: a machine may be without IPv6. */
function linesOf(table: string): string[] {
  try {
    return readFileSync(table, "latin1").split("\n");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
