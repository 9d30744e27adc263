// A cable between a node and one server that can be cut without privileges: bytes stop in both directions,
// and no connection ends. For a cluster, whose servers name their own ports, see partition.ts.

import { freePort } from "../../lib/service.ts";
import type { Socket } from "bun";

export interface Cable extends Disposable {
  readonly port: number;
  cut(): void;
  mend(): void;
}

interface End {
  peer: Socket<End> | undefined;
  waiting: Buffer[];
}

/** Listens on a free port and passes all bytes on to `target`. */
export function layCable(target: number): Cable {
  const ends = new Set<Socket<End>>();
  const port = freePort();
  let isCut = false;
  const pass = (to: Socket<End>): void => {
    const { waiting } = to.data;
    while (!isCut && waiting.length > 0) {
      const chunk = waiting[0] ?? Buffer.alloc(0);
      const written = Math.max(0, to.write(chunk));
      if (written < chunk.length) {
        waiting[0] = chunk.subarray(written);
        return;
      }
      waiting.shift();
    }
  };
  const handlers = {
    data(socket: Socket<End>, chunk: Buffer) {
      const { peer } = socket.data;
      if (peer === undefined) return;
      // The buffer belongs to the runtime.
      peer.data.waiting.push(Buffer.from(chunk));
      pass(peer);
    },
    drain: pass,
    close(socket: Socket<End>) {
      ends.delete(socket);
      if (!isCut) socket.data.peer?.end();
    },
  };
  const listener = Bun.listen<End>({
    hostname: "127.0.0.1",
    port,
    socket: {
      ...handlers,
      open(socket) {
        socket.data = { peer: undefined, waiting: [] };
        socket.pause();
        ends.add(socket);
        const data: End = { peer: socket, waiting: [] };
        const connected = Bun.connect<End>({
          hostname: "127.0.0.1",
          port: target,
          data,
          socket: handlers,
        });
        connected.then(
          (other) => {
            socket.data.peer = other;
            ends.add(other);
            socket.resume();
          },
          () => socket.end(),
        );
      },
    },
  });
  return {
    port,
    cut() {
      isCut = true;
    },
    mend() {
      isCut = false;
      for (const end of ends) pass(end);
    },
    [Symbol.dispose]() {
      listener.stop(true);
      for (const end of ends) end.terminate();
    },
  };
}
