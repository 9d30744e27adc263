// The clients that have just subscribed, while older messages may still be on their way: they do not get those.
// A message that another worker has acknowledged before the subscription is older.

import type { Broadcast } from "../../cache/broadcast.ts";
import type { Receiver } from "./subscriber.ts";

export class Newcomers {
  readonly #broadcast: Broadcast;
  /** By the set of receivers that the client joined: the ends of the rings before it joined. */
  readonly #joined = new Map<ReadonlySet<Receiver>, Map<Receiver, Int32Array>>();

  constructor(broadcast: Broadcast) {
    this.#broadcast = broadcast;
  }

  /** Returns the ends of the rings if a message is on its way. Called before publishers can see the subscription. */
  ends(): Int32Array | undefined {
    return this.#broadcast.hasNews ? this.#broadcast.ends() : undefined;
  }

  /** Adds a client that has joined `receivers` after `ends`. */
  add(receivers: ReadonlySet<Receiver>, receiver: Receiver, ends: Int32Array | undefined): void {
    if (ends === undefined) return;
    const joined = this.#joined.get(receivers);
    if (joined === undefined) this.#joined.set(receivers, new Map([[receiver, ends]]));
    else joined.set(receiver, ends);
  }

  /** Returns the receivers that joined before the message that is shown now. O(1) without newcomers. */
  without(receivers: ReadonlySet<Receiver>): Iterable<Receiver> {
    if (this.#joined.size === 0) return receivers;
    const joined = this.#joined.get(receivers);
    if (joined === undefined) return receivers;
    return [...receivers].filter((receiver) => {
      const ends = joined.get(receiver);
      return ends === undefined || this.#broadcast.isSince(ends);
    });
  }

  /** All messages that were on their way before this call have been shown. */
  forget(): void {
    if (this.#joined.size > 0) this.#joined.clear();
  }
}
