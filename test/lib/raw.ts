// HTTP as bytes on a socket, for requests that fetch never sends.

import type { Socket } from "bun";

export interface RawConnection extends Disposable {
  send(payload: string | Uint8Array): void;
  /** Resolves with all received text once it contains `part`, or the connection has closed. */
  until(part: string): Promise<string>;
  /** Resolves with all received text once it has `count` responses, or the connection has closed. */
  answers(count: number): Promise<string>;
  /** Resolves with all received text when the server has closed the connection. */
  readonly closed: Promise<string>;
}

export async function connect(url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url);
  let received = "";
  let waiting: (() => void)[] = [];
  const closed = Promise.withResolvers<string>();
  const wake = () => {
    const woken = waiting;
    waiting = [];
    for (const resume of woken) resume();
  };
  let open = true;
  const socket: Socket = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data(_socket, chunk) {
        received += chunk.toString();
        wake();
      },
      close() {
        open = false;
        closed.resolve(received);
        wake();
      },
    },
  });
  const when = async (arrived: () => boolean): Promise<string> => {
    while (open && !arrived()) await new Promise<void>((resume) => waiting.push(resume));
    return received;
  };
  return {
    send: (payload) => void socket.write(payload),
    until: (part) => when(() => received.includes(part)),
    answers: (count) => when(() => received.split("}").length > count),
    closed: closed.promise,
    [Symbol.dispose]: () => socket.terminate(),
  };
}

/** Sends one request; returns all text received before the server closed the connection. */
export async function exchange(url: string, request: string | Uint8Array): Promise<string> {
  using connection = await connect(url);
  connection.send(request);
  return await connection.closed;
}
