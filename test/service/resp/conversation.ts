// A client that sends one command at a time and reads its reply.

import { commandBytes, connectRaw } from "./raw-client.ts";

export interface Conversation extends Disposable {
  /** Sends words, or a line of words that spaces separate. Resolves with the reply, each line end as a space. */
  say(command: string | readonly (string | Uint8Array)[]): Promise<string>;
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<unknown>;
}

/** Returns the end of the reply that begins at the offset, or -1 if it is not complete. */
function endOfReply(text: string, start: number): number {
  const lineEnd = text.indexOf("\r\n", start);
  if (lineEnd < 0) return -1;
  const next = lineEnd + 2;
  const count = Number(text.slice(start + 1, lineEnd));
  const type = text[start] ?? "";
  if ("$=".includes(type)) {
    const end = count < 0 ? next : next + count + 2;
    return end <= text.length ? end : -1;
  }
  const elements = "*~>".includes(type) ? count : type === "%" ? count * 2 : 0;
  let at = next;
  for (let n = 0; n < elements && at >= 0; n++) at = endOfReply(text, at);
  return at;
}

export async function converse(port: number): Promise<Conversation> {
  let text = "";
  let wake = (): void => {};
  const client = await connectRaw(port, (chunk) => {
    text += chunk.toString("latin1");
    wake();
  });
  return {
    async say(command) {
      client.send(commandBytes(...(typeof command === "string" ? command.split(" ") : command)));
      for (;;) {
        const end = endOfReply(text, 0);
        if (end >= 0) {
          const reply = text.slice(0, end);
          text = text.slice(end);
          return reply.trimEnd().replaceAll("\r\n", " ");
        }
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    closed: client.closed,
    [Symbol.dispose]: () => client[Symbol.dispose](),
  };
}
