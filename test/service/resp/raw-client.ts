// A client of the Redis protocol that sends and receives bytes, and that can stop reading.

import type { Socket } from "bun";

export interface RawClient extends Disposable {
  send(payload: string | Uint8Array): void;
  /** Stops reading: further replies fill the socket's buffer. */
  pause(): void;
  resume(): void;
  /** Resolves with all received bytes, as latin1, once they end with `end` or the connection is closed. */
  until(end: string): Promise<string>;
  /** Resolves with all received bytes when the server has closed the connection. */
  readonly closed: Promise<string>;
}

/** If `received` is given, it gets each chunk, and nothing is kept for `until`. */
export async function connectRaw(
  port: number,
  received?: (chunk: Buffer) => void,
  hostname = "127.0.0.1",
): Promise<RawClient> {
  let text = "";
  let unsent = Buffer.alloc(0);
  let isOpen = true;
  let waiting: (() => void)[] = [];
  const closed = Promise.withResolvers<string>();
  const wake = () => {
    const woken = waiting;
    waiting = [];
    for (const resume of woken) resume();
  };
  const flush = (to: Socket) => {
    unsent = unsent.subarray(Math.max(0, to.write(unsent)));
  };
  const socket: Socket = await Bun.connect({
    hostname,
    port,
    socket: {
      data(_socket, chunk) {
        if (received === undefined) text += chunk.toString("latin1");
        else received(chunk);
        wake();
      },
      drain: flush,
      close() {
        isOpen = false;
        closed.resolve(text);
        wake();
      },
    },
  });
  // Without this, a byte sent alone waits until the previous one is acknowledged.
  socket.setNoDelay(true);
  return {
    send(payload) {
      unsent = Buffer.concat([unsent, Buffer.from(payload)]);
      flush(socket);
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    async until(end) {
      while (isOpen && !text.endsWith(end)) {
        await new Promise<void>((resume) => waiting.push(resume));
      }
      return text;
    },
    closed: closed.promise,
    [Symbol.dispose]: () => socket.terminate(),
  };
}

/** Returns a command as an array of bulk strings. */
export function commandBytes(...words: (string | Uint8Array)[]): Buffer {
  const parts = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = Buffer.from(word);
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n"));
  }
  return Buffer.concat(parts);
}
