// Connections of the loads of bench memory.

import type { Socket } from "bun";

/** How long a load goes on. */
export const SECONDS = 5;

export interface Peer {
  readonly number: number;
  /** Is called for what the service answers. */
  onData: (peer: Peer) => void;
  send(bytes: Uint8Array): void;
  /** Resolves when the kernel has taken all bytes, or the connection has closed. */
  sent(): Promise<void>;
  /** Reads no more. */
  pause(): void;
}

export interface Peers extends AsyncDisposable {
  readonly all: readonly Peer[];
}

/** Opens connections to a port of the loopback. One that the service refuses or closes is left out. */
export async function openPeers(port: number, count: number): Promise<Peers> {
  const peers: (Peer & { readonly socket: Socket })[] = [];
  for (let number = 0; number < count; number++) {
    const peer = await openPeer(port, number).catch(() => undefined);
    if (peer !== undefined) peers.push(peer);
  }
  return {
    all: peers,
    async [Symbol.asyncDispose]() {
      for (const { socket } of peers) socket.terminate();
      await Bun.sleep(100);
    },
  };
}

async function openPeer(port: number, number: number): Promise<Peer & { readonly socket: Socket }> {
  let unsent: Uint8Array[] = [];
  let isOver = false;
  let onSent = (): void => {};
  const end = (): void => {
    isOver = true;
    unsent = [];
    onSent();
  };
  const flush = (socket: Socket): void => {
    while (unsent.length > 0) {
      const [first = new Uint8Array()] = unsent;
      const sent = socket.write(first);
      if (sent < 0) unsent = [];
      else if (sent === first.length) unsent.shift();
      else {
        unsent[0] = first.subarray(sent);
        return;
      }
    }
    onSent();
  };
  const socket: Socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data: () => peer.onData(peer),
      drain: flush,
      close: end,
      error: end,
    },
  });
  const peer: Peer & { readonly socket: Socket } = {
    ...{ number, socket },
    onData: () => {},
    async sent() {
      // A turn of the event loop, so that the replies are read.
      await new Promise((resolve) => setImmediate(resolve));
      if (unsent.length > 0 && !isOver) await new Promise<void>((resolve) => (onSent = resolve));
    },
    send(bytes: Uint8Array) {
      if (isOver) return;
      unsent.push(bytes);
      if (unsent.length === 1) flush(socket);
    },
    pause: () => void socket.pause(),
  };
  return peer;
}

export async function until(endMs: number): Promise<void> {
  await Bun.sleep(Math.max(0, endMs - performance.now()));
}

/** A command of the Redis protocol as an array of bulk strings. */
export function command(...words: (string | Uint8Array)[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = Buffer.from(word);
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n"));
  }
  return Buffer.concat(parts);
}
