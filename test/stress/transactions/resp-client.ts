// A client of the Redis protocol that sends several commands at once and returns their replies.

import type { Socket } from "bun";

import { commandBytes } from "../../service/resp/raw-client.ts";

export type ReplyValue = string | number | null | ReplyValue[];

export class RespClient {
  #text = "";
  #wake: () => void = () => {};
  #socket: Socket | undefined;

  static async open(port: number): Promise<RespClient> {
    const client = new RespClient();
    client.#socket = await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        data(_, chunk) {
          client.#text += chunk.toString("latin1");
          client.#wake();
        },
        close: () => client.#wake(),
      },
    });
    client.#socket.setNoDelay(true);
    return client;
  }

  /** Resolves with the replies in order. Throws on an error reply. */
  async send(commands: readonly (readonly string[])[]): Promise<ReplyValue[]> {
    this.#socket?.write(Buffer.concat(commands.map((words) => commandBytes(...words))));
    const replies: ReplyValue[] = [];
    while (replies.length < commands.length) {
      const parsed = parse(this.#text, 0);
      if (parsed !== undefined) {
        this.#text = this.#text.slice(parsed.end);
        replies.push(parsed.value);
        continue;
      }
      if (this.#socket?.readyState !== 1) throw new Error("the service closed the connection");
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return replies;
  }

  close(): void {
    this.#socket?.end();
  }
}

/** Returns the reply at the offset, or undefined if it is not complete. */
function parse(text: string, at: number): { value: ReplyValue; end: number } | undefined {
  const lineEnd = text.indexOf("\r\n", at);
  if (lineEnd < 0) return undefined;
  const line = text.slice(at + 1, lineEnd);
  const end = lineEnd + 2;
  switch (text[at]) {
    case "+":
      return { value: line, end };
    case ":":
      return { value: Number(line), end };
    case "$": {
      const length = Number(line);
      if (length < 0) return { value: null, end };
      if (text.length < end + length + 2) return undefined;
      return { value: text.slice(end, end + length), end: end + length + 2 };
    }
    case "*": {
      const count = Number(line);
      if (count < 0) return { value: null, end };
      const value: ReplyValue[] = [];
      let next = end;
      for (let n = 0; n < count; n++) {
        const element = parse(text, next);
        if (element === undefined) return undefined;
        value.push(element.value);
        next = element.end;
      }
      return { value, end: next };
    }
    default:
      throw new Error(`the service replied ${text.slice(at, lineEnd)}`);
  }
}
