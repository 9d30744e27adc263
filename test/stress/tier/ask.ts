// Asks a redis-server directly, with a time limit: a frozen server is an error.

import { RespClient, type ReplyValue } from "../transactions/resp-client.ts";

const TIMEOUT_MS = 1000;

/** Sends one command on a connection of its own. Rejects on an error reply, and after a second. */
export async function ask(port: number, ...words: string[]): Promise<ReplyValue> {
  using line = new Line(port);
  return await line.send(...words);
}

/** A connection that is opened when it is needed, and given up after any error. Callers wait for their turn. */
export class Line implements Disposable {
  readonly #port: number;
  readonly #timeoutMs: number;
  #client: RespClient | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(port: number, timeoutMs = TIMEOUT_MS) {
    this.#port = port;
    this.#timeoutMs = timeoutMs;
  }

  async send(...words: string[]): Promise<ReplyValue> {
    const [reply = null] = await this.sendAll([words]);
    return reply;
  }

  async sendAll(commands: readonly (readonly string[])[]): Promise<ReplyValue[]> {
    const replies = this.#turn.then(() => this.#sendInTime(commands));
    this.#turn = replies.catch(() => {});
    return await replies;
  }

  async #sendInTime(commands: readonly (readonly string[])[]): Promise<ReplyValue[]> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new Error(`port ${this.#port} gave no answer in ${this.#timeoutMs} ms`));
    }, this.#timeoutMs);
    try {
      return await Promise.race([this.#sendAll(commands), late.promise]);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.dispose](): void {
    this.#client?.close();
    this.#client = undefined;
  }

  async #sendAll(commands: readonly (readonly string[])[]): Promise<ReplyValue[]> {
    this.#client ??= await RespClient.open(this.#port);
    return await this.#client.send(commands);
  }
}

/** The engine as one client sees it: each key is asked at the server that has it. */
export class DirectClient implements Disposable {
  readonly #lines = new Map<number, Line>();
  readonly #ports: readonly number[];

  constructor(ports: readonly number[]) {
    this.#ports = ports;
  }

  /** Sends a command to the server of its key. Rejects if no server answers for it. */
  async send(...words: string[]): Promise<ReplyValue> {
    let last: unknown;
    for (const port of this.#ports) {
      try {
        return await this.#lineTo(port).send(...words);
      } catch (error) {
        const moved = /MOVED \d+ [\d.]*:(\d+)/.exec(String(error))?.[1];
        last = error;
        if (moved === undefined) continue;
        try {
          return await this.#lineTo(Number(moved)).send(...words);
        } catch (second) {
          last = second;
        }
      }
    }
    throw last;
  }

  [Symbol.dispose](): void {
    for (const line of this.#lines.values()) line[Symbol.dispose]();
  }

  #lineTo(port: number): Line {
    let line = this.#lines.get(port);
    if (line === undefined) {
      line = new Line(port);
      this.#lines.set(port, line);
    }
    return line;
  }
}
