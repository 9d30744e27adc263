// A redis-server and a service that receive the same steps, one after the other.

import { CONNECTIONS, type Step } from "./draw.ts";
import { connectLockstep, type Lockstep } from "./lockstep.ts";

export interface Difference {
  readonly step: Step;
  readonly redis: string;
  readonly ours: string;
}

/** The databases whose content is compared after each sequence. */
const DATABASES = ["0", "1", "2", "15"];

/** Runs steps against both ports, from empty databases. Returns the first difference. */
export async function firstDifference(
  steps: readonly Step[],
  ports: readonly [redis: number, ours: number],
): Promise<Difference | undefined> {
  const [redis, ours] = [await openAll(ports[0]), await openAll(ports[1])];
  const compare = async (step: Step): Promise<Difference | undefined> => {
    const [expected = "", received = ""] = await Promise.all(
      [redis, ours].map((connections) => connections[step.connection]?.send(step.words)),
    );
    if (step.pauseMs !== undefined) await Bun.sleep(step.pauseMs);
    const isEqual = comparable(expected) === comparable(received);
    return isEqual ? undefined : { step, redis: expected, ours: received };
  };
  try {
    for (const words of [["FLUSHALL"], ["SCRIPT", "FLUSH"]]) {
      for (const connections of [redis, ours]) await connections[0]?.send(words);
    }
    for (const step of steps) {
      const difference = await compare(step);
      if (difference !== undefined) return difference;
    }
    for (const step of contentOf(steps)) {
      const difference = await compare(step);
      if (difference !== undefined) return difference;
    }
    return undefined;
  } finally {
    for (const connection of [...redis, ...ours]) connection[Symbol.dispose]();
  }
}

/** The reply without the version of the server and the number of the connection, which HELLO has. */
function comparable(reply: string): string {
  return reply.replace(/(?<=\$2\r\nid\r\n:)\d+|(?<=\$7\r\nversion\r\n)\S+\r\n\S+/g, "");
}

/** Steps that read all keys that the sequence may have written, with their lifetimes. */
function contentOf(steps: readonly Step[]): Step[] {
  const keys = new Set(steps.flatMap(({ words }) => words.slice(1).filter((word) => word !== "")));
  // SELECT in a connection that has no open transaction.
  const read = [["RESET"]];
  // DBSIZE counts expired entries that have not been removed yet.
  const hasExpiry = steps.some(({ words }) =>
    words.some((word) => word === "PX" || word === "PXAT"),
  );
  for (const database of DATABASES) {
    read.push(["SELECT", database], ["MGET", ...keys], ...(hasExpiry ? [] : [["DBSIZE"]]));
  }
  return read.map((words) => ({ connection: CONNECTIONS, words }));
}

/** One connection more than the steps have, for reading at the end. */
async function openAll(port: number): Promise<Lockstep[]> {
  return await Promise.all(
    Array.from({ length: CONNECTIONS + 1 }, async () => await connectLockstep(port)),
  );
}
