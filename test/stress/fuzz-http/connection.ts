// A connection to the service under test, of which everything that has come is kept, and a
// second kind that tells when the service has seen what others sent.

import type { Socket } from "bun";

import { checkAnswer, readAnswer, ServiceLost } from "./answers.ts";
import { keptKey } from "./input.ts";

export class Connection {
  #socket: Socket | undefined;
  #received: Buffer = Buffer.alloc(0);
  #unsent: Buffer = Buffer.alloc(0);
  #isOpen = true;
  /** Whether this side has closed it, or its half. */
  #isLeft = false;
  #waiting: (() => void) | undefined;

  private constructor() {}

  /** `closed` is told of its end, and whether it was the service that closed it. */
  static async open(port: number, closed: (byService: boolean) => void): Promise<Connection> {
    const connection = new Connection();
    connection.#socket = await Bun.connect({
      ...{ hostname: "127.0.0.1", port },
      socket: {
        data: (_socket, chunk) => {
          connection.#received = Buffer.concat([connection.#received, chunk]);
          connection.#wake();
        },
        drain: () => connection.#flush(),
        error() {},
        close: () => {
          connection.#isOpen = false;
          closed(!connection.#isLeft);
          connection.#wake();
        },
      },
    });
    return connection;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** What has come and is not forgotten. */
  get received(): Buffer {
    return this.#received;
  }

  /** Forgets the first bytes that have come. */
  forget(count: number): void {
    this.#received = this.#received.subarray(count);
  }

  send(bytes: Buffer): void {
    this.#unsent = this.#unsent.length === 0 ? bytes : Buffer.concat([this.#unsent, bytes]);
    this.#flush();
  }

  /** Resolves when something more has come, or the connection has closed. */
  changed(): Promise<void> {
    return new Promise((resume) => {
      this.#waiting = resume;
    });
  }

  /** Ends it: at once, for this side alone, or with a reset. */
  leave(how: "close" | "half-close" | "reset"): void {
    this.#isLeft = true;
    if (!this.#isOpen) return;
    if (how === "half-close") this.#socket?.shutdown();
    else if (how === "close") this.#socket?.end();
    else this.#socket?.terminate();
  }

  #flush(): void {
    if (this.#unsent.length === 0 || !this.#isOpen) return;
    const sent = this.#socket?.write(this.#unsent) ?? 0;
    this.#unsent = this.#unsent.subarray(Math.max(0, sent));
  }

  #wake(): void {
    const resume = this.#waiting;
    this.#waiting = undefined;
    resume?.();
  }
}

/**
 * The service has one thread, which serves what has come in turn: an answer to a request that was
 * sent after other bytes tells that the service has seen these too. The first may be overtaken by a
 * connection that was not accepted yet, the second cannot. Every such request asks for a kept entry.
 */
export class Fence {
  readonly #connection: Connection;
  readonly #waiting: ((status: number) => void)[] = [];

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  static async open(port: number, fail: (error: unknown) => void): Promise<Fence> {
    const fence = new Fence(await Connection.open(port, () => {}));
    void fence.#read().catch(fail);
    return fence;
  }

  /** Resolves when the service has seen all that was sent before, with the status of the entry. */
  pass(kept: number): Promise<number> {
    const request = `GET /get?key=${keptKey(kept)} HTTP/1.1\r\nHost: x\r\n\r\n`;
    const passed = new Promise<number>((resume) => this.#waiting.push(resume));
    this.#connection.send(Buffer.from(request));
    return passed;
  }

  close(): void {
    this.#connection.leave("close");
  }

  async #read(): Promise<void> {
    const connection = this.#connection;
    for (let at = 0; connection.isOpen;) {
      const answer = readAnswer(connection.received, at, { isHead: false, isClosed: false });
      if (answer === undefined) {
        connection.forget(at);
        at = 0;
        await connection.changed();
        continue;
      }
      checkAnswer(answer);
      at = answer.end;
      this.#waiting.shift()?.(answer.status);
    }
    if (this.#waiting.length > 0) {
      throw new ServiceLost("a connection with requests for kept entries was closed");
    }
  }
}
