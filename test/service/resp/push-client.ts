// A client that receives messages beside its replies, which the test reads in their order.

import { expect } from "bun:test";

import { commandBytes, connectRaw, type RawClient } from "./raw-client.ts";

export class PushClient implements Disposable {
  #raw: RawClient | undefined;
  #text = "";
  #read = 0;
  #arrived: () => void = () => {};

  static async connect(port: number): Promise<PushClient> {
    const client = new PushClient();
    client.#raw = await connectRaw(port, (chunk) => {
      client.#text += chunk.toString("latin1");
      client.#arrived();
    });
    return client;
  }

  /** All bytes so far, as latin1. */
  get text(): string {
    return this.#text;
  }

  get raw(): RawClient {
    if (this.#raw === undefined) throw new Error("not connected");
    return this.#raw;
  }

  send(...words: readonly string[]): void {
    this.raw.send(commandBytes(...words));
  }

  /** Expects exactly these bytes as the next ones. */
  async gets(bytes: string): Promise<void> {
    const start = this.#read;
    this.#read += bytes.length;
    while (this.#text.length < this.#read && this.#isPrefix(bytes, start)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#arrived = resolve;
      await Promise.race([promise, this.raw.closed]);
      if (this.#text.length < this.#read && (await isSettled(this.raw.closed))) break;
    }
    expect(this.#text.slice(start, this.#read)).toBe(bytes);
  }

  /** Sends a command, and expects exactly these bytes as the next ones. */
  async ask(words: readonly string[], reply: string): Promise<void> {
    this.send(...words);
    await this.gets(reply);
  }

  #isPrefix(bytes: string, start: number): boolean {
    return bytes.startsWith(this.#text.slice(start));
  }

  [Symbol.dispose](): void {
    this.raw[Symbol.dispose]();
  }
}

export async function pushClients(port: number, count: number): Promise<PushClient[]> {
  return await Promise.all(Array.from({ length: count }, () => PushClient.connect(port)));
}

export const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;

/** The bytes of an array, "*", or a push frame, ">", of bulk strings. */
export const frame = (sign: "*" | ">", ...words: readonly string[]) =>
  `${sign}${words.length}\r\n${words.map(bulk).join("")}`;

/** The bytes of a confirmation of SUBSCRIBE and its relatives. */
export const confirmed = (sign: "*" | ">", type: string, name: string, count: number) =>
  `${sign}3\r\n${bulk(type)}${bulk(name)}:${count}\r\n`;

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol("pending");
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}
