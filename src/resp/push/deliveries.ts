// Frames on their way to clients. A frame is written once for each version of the protocol, and each client
// gets its frames with one write.
//
//   frame → buffer of its version; its position → the client's parts; then one write for each client

import { ByteBuffer, type Bytes } from "../../cache/cache.ts";
import type { Version } from "./frames.ts";
import { type Receiver, Subscriber } from "./subscriber.ts";

/** The frames are written to their clients when a buffer has this size, or when no more records are left. */
const FRAME_BYTES_MAX = 128 * 1024;

/** The connections of a worker, as the parts that push messages see them. */
export interface PushSink {
  /** Whether the session belongs to a connection, which can receive messages. */
  canReceive(session: Receiver): boolean;
  /** Returns the session of the connection with this number, if it is one of this worker and is not closing. */
  sessionOf(id: number): Receiver | undefined;
  /** Whether the last command of the session is pending: its reply is not written yet. */
  isWaiting(session: Receiver): boolean;
  /** Writes the replies that wait. Each `push` must come after it. */
  flush(): void;
  push(session: Receiver, bytes: Buffer, start: number, end: number): void;
  /** Closes a connection that was too slow for its messages. */
  closeSlow(session: Receiver): void;
}

export class Deliveries {
  readonly #sink: PushSink;
  readonly #frames: Readonly<Record<Version, ByteBuffer>> = {
    2: new ByteBuffer(4096, true),
    3: new ByteBuffer(4096, true),
  };
  /** The clients with frames that wait. */
  readonly #sessions: Receiver[] = [];
  readonly #joined = new ByteBuffer(4096, true);

  constructor(sink: PushSink) {
    this.#sink = sink;
  }

  /** Sends a frame to all sessions. `append` writes it once for each version. O(bytes + sessions). */
  send(sessions: Iterable<Receiver>, append: (into: ByteBuffer, version: Version) => void): void {
    const starts = { 2: -1, 3: -1 };
    for (const session of sessions) {
      const { version } = session;
      const frames = this.#frames[version];
      if (starts[version] < 0) {
        starts[version] = frames.end;
        append(frames, version);
      }
      this.#add(session, starts[version], frames.end);
    }
    if (this.#frames[2].end + this.#frames[3].end > FRAME_BYTES_MAX) this.flush();
  }

  /** Writes all frames to their clients. O(clients + bytes). */
  flush(): void {
    if (this.#sessions.length === 0) return;
    this.#sink.flush();
    for (const session of this.#sessions) this.#write(session);
    this.#sessions.length = 0;
    for (const frames of [this.#frames[2], this.#frames[3]]) {
      frames.clear();
      if (frames.bytes.length > 2 * FRAME_BYTES_MAX) frames.replace(FRAME_BYTES_MAX);
    }
  }

  #add(session: Receiver, start: number, end: number): void {
    const { parts } = (session.subscriber ??= new Subscriber());
    if (parts.length === 0) this.#sessions.push(session);
    if (parts[parts.length - 1] === start) parts[parts.length - 1] = end;
    else parts.push(start, end);
  }

  #write(session: Receiver): void {
    const parts = session.subscriber?.parts;
    if (parts === undefined || parts.length === 0) return;
    const { start, end, bytes } = this.#join(this.#frames[session.version], parts);
    parts.length = 0;
    this.#sink.push(session, bytes, start, end);
  }

  /** Returns the parts as one run of bytes. Most clients have one part. */
  #join({ bytes }: ByteBuffer, parts: readonly number[]): Bytes {
    const [start = 0, end = 0] = parts;
    if (parts.length === 2) return { bytes, start, end };
    this.#joined.clear();
    for (let n = 0; n < parts.length; n += 2) {
      this.#joined.appendRun(bytes, parts[n] ?? 0, parts[n + 1] ?? 0);
    }
    return this.#joined;
  }
}
