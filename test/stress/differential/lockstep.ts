// A connection that sends one command and waits for the whole reply, which stays as bytes.

import type { Socket } from "bun";

export interface Lockstep extends Disposable {
  /** Resolves with the reply, as latin1, or with "closed" if the server has closed the connection. */
  send(words: readonly string[]): Promise<string>;
}

export const CLOSED = "closed";

/** Connects to a port of the loopback. */
export async function connectLockstep(port: number): Promise<Lockstep> {
  let text = "";
  let isOpen = true;
  let wake = () => {};
  const socket: Socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(_socket, chunk) {
        text += chunk.toString("latin1");
        wake();
      },
      close() {
        isOpen = false;
        wake();
      },
    },
  });
  socket.setNoDelay(true);
  return {
    async send(words) {
      if (!isOpen) return CLOSED;
      // Commands are shorter than a socket's buffer.
      socket.write(Buffer.from(encode(words), "latin1"));
      for (;;) {
        const end = replyEnd(text, 0);
        if (end !== undefined) {
          const reply = text.slice(0, end);
          text = text.slice(end);
          return reply;
        }
        if (!isOpen) return CLOSED;
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
    },
    [Symbol.dispose]: () => socket.terminate(),
  };
}

function encode(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join("")}`;
}

/** Returns the position behind the reply that begins at `at`; undefined if its end has not arrived. */
function replyEnd(text: string, at: number): number | undefined {
  const line = text.indexOf("\r\n", at);
  if (line < 0) return undefined;
  const type = text[at] ?? "";
  const count = Number(text.slice(at + 1, line));
  let end: number | undefined = line + 2;
  if ("$=!".includes(type)) {
    if (count >= 0) end += count + 2;
    return end <= text.length ? end : undefined;
  }
  const members = "*~>".includes(type) ? count : type === "%" ? 2 * count : 0;
  for (let n = 0; n < members && end !== undefined; n++) end = replyEnd(text, end);
  return end;
}
