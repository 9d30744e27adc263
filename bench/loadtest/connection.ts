// One keep-alive HTTP connection with one request at a time. Bun's fetch keeps at
// most 64 connections open and costs more: measured in one run, 38 µs of CPU a
// request, http-parser-js on a socket 11 µs.

import type { Socket } from "bun";
import { HTTPParser } from "http-parser-js";

/** A request without an answer after this is an error. */
const TIMEOUT_SECONDS = 10;

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** What became of the connection instead of an answer; the message is short, for the table. */
export class ConnectionError extends Error {}

export class Connection {
  readonly #host: string;
  readonly #port: number;
  #socket: Socket | undefined;
  #parser = newParser(() => {});
  #unsent: Buffer = Buffer.alloc(0);
  #waiting: PromiseWithResolvers<Answer> | undefined;

  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
  }

  /** Connects if need be. Throws ConnectionError if nothing listens. */
  async open(): Promise<void> {
    if (this.#socket !== undefined) return;
    this.#parser = newParser((answer) => {
      this.#waiting?.resolve(answer);
      this.#waiting = undefined;
    });
    try {
      this.#socket = await Bun.connect({
        hostname: this.#host,
        port: this.#port,
        socket: {
          data: (_socket, chunk) => this.#received(chunk),
          drain: () => this.#write(),
          timeout: () => this.#lost("timed out"),
          close: () => this.#lost("closed by the service"),
          error: (_socket, error) => this.#lost(error.message),
        },
      });
    } catch {
      throw new ConnectionError("refused");
    }
  }

  /** Sends a request and resolves with its answer. Throws ConnectionError if none comes. */
  async send(method: "GET" | "POST", path: string, body = ""): Promise<Answer> {
    await this.open();
    const length = method === "POST" ? `Content-Length: ${Buffer.byteLength(body)}\r\n` : "";
    const head = `${method} ${path} HTTP/1.1\r\nHost: ${this.#host}:${this.#port}\r\n${length}\r\n`;
    const waiting = Promise.withResolvers<Answer>();
    this.#waiting = waiting;
    this.#socket?.timeout(TIMEOUT_SECONDS);
    this.#unsent = Buffer.from(head + body);
    this.#write();
    return await waiting.promise;
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket?.terminate();
    this.#socket = undefined;
  }

  #write(): void {
    if (this.#unsent.length === 0) return;
    const written = this.#socket?.write(this.#unsent) ?? 0;
    this.#unsent = this.#unsent.subarray(Math.max(0, written));
  }

  #received(chunk: Buffer): void {
    const parsed = this.#parser.execute(chunk);
    if (parsed instanceof Error) this.#lost("not HTTP");
  }

  #lost(reason: string): void {
    const waiting = this.#waiting;
    this.close();
    waiting?.reject(new ConnectionError(reason));
  }
}

function newParser(answered: (answer: Answer) => void): InstanceType<typeof HTTPParser> {
  const parser = new HTTPParser(HTTPParser.RESPONSE);
  let status = 0;
  let chunks: Buffer[] = [];
  parser[HTTPParser.kOnHeadersComplete] = (head) => {
    status = head.statusCode;
    chunks = [];
  };
  parser[HTTPParser.kOnBody] = (bytes, offset, length) => {
    chunks.push(Buffer.from(bytes.subarray(offset, offset + length)));
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    answered({ status, body: Buffer.concat(chunks).toString() });
  };
  return parser;
}
