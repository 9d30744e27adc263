// Connections of the Redis protocol that only count the bytes of the replies.

import type { Socket } from "bun";

/** A connection that counts the bytes it receives. */
export interface Counting {
  readonly socket: Socket<undefined>;
  received: number;
  wanted: number;
  whole: PromiseWithResolvers<void>;
}

/** Resolves once `bytes` more have arrived; rejects if more than those arrive. */
export function expectBytes(counting: Counting, bytes: number): Promise<void> {
  counting.received = 0;
  counting.wanted = bytes;
  counting.whole = Promise.withResolvers();
  return counting.whole.promise;
}

export async function connect(port: number): Promise<Counting> {
  const counting: Partial<Counting> = { received: 0, wanted: 0, whole: Promise.withResolvers() };
  const socket = await Bun.connect<undefined>({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(_, chunk) {
        const { wanted = 0, whole } = counting;
        counting.received = (counting.received ?? 0) + chunk.length;
        if (counting.received === wanted) whole?.resolve();
        else if (counting.received > wanted) whole?.reject(new Error("more bytes than expected"));
      },
    },
  });
  return Object.assign(counting, { socket }) as Counting;
}

export function command(...words: readonly string[]): string {
  return `*${words.length}\r\n${words.map(bulk).join("")}`;
}

export function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}
