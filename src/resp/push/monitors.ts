// MONITOR: shows the commands of all workers to the clients that ask for them.
//
//   command → line → ring of messages → workers with monitors → their monitors
//
// Without a monitor a command costs one load. A line for which the ring has no room is dropped, and
// the monitors, which would miss it, are closed.

import type { Broadcast, BroadcastRecord } from "../../cache/broadcast.ts";
import { ByteBuffer } from "../../cache/cache.ts";
import type { Deliveries, PushSink } from "./deliveries.ts";
import type { Newcomers } from "./newcomers.ts";
import { type Receiver, Subscriber } from "./subscriber.ts";

/** The kind of a record with a line. */
const LINE = 20;
/** A longer line is cut. */
export const LINE_BYTES_MAX = 2 ** 16;
/** Words of the memory: monitors of all threads, lines that were dropped; then the monitors of each thread. */
const ALL = 0;
const DROPPED = 1;
const FIRST_THREAD = 2;

export function allocateMonitors(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer((FIRST_THREAD + threads) * Int32Array.BYTES_PER_ELEMENT);
}

/** Removes the monitors of a thread that has ended. */
export function recoverMonitors(memory: SharedArrayBuffer, thread: number): void {
  const words = new Int32Array(memory);
  Atomics.sub(words, ALL, Atomics.exchange(words, FIRST_THREAD + thread, 0));
}

export interface MonitorParts {
  readonly broadcast: Broadcast;
  readonly deliveries: Deliveries;
  readonly newcomers: Newcomers;
  readonly sink: PushSink;
  readonly thread: number;
}

export class Monitors {
  /** The line that is shown next. */
  readonly line = new ByteBuffer(1024, true);
  readonly #words: Int32Array;
  readonly #parts: MonitorParts;
  /** The monitors of this worker. */
  readonly #receivers = new Set<Receiver>();
  #droppedBefore = 0;

  constructor(memory: SharedArrayBuffer, parts: MonitorParts) {
    this.#words = new Int32Array(memory);
    this.#parts = parts;
  }

  /** Whether any client of any worker monitors. One load. */
  get isOn(): boolean {
    return this.#words[ALL] !== 0;
  }

  add(receiver: Receiver): void {
    const subscriber = (receiver.subscriber ??= new Subscriber());
    if (subscriber.isMonitor) return;
    subscriber.isMonitor = true;
    if (this.#receivers.size === 0) this.#droppedBefore = Atomics.load(this.#words, DROPPED);
    const { newcomers } = this.#parts;
    newcomers.add(this.#receivers, receiver, newcomers.ends());
    this.#receivers.add(receiver);
    this.#count(1);
  }

  remove(receiver: Receiver): void {
    if (receiver.subscriber !== undefined) receiver.subscriber.isMonitor = false;
    if (this.#receivers.delete(receiver)) this.#count(-1);
  }

  /** Shows `line`, which ends with CR LF. O(bytes + threads). */
  report(): void {
    const { line } = this;
    const { broadcast } = this.#parts;
    const bytes = Math.min(line.end, LINE_BYTES_MAX, broadcast.maxBytes);
    if (bytes < line.end) {
      line.end = bytes - 2;
      line.appendByteString("\r\n");
    }
    if (broadcast.hasRoom(bytes)) broadcast.write(LINE, 0, line);
    else Atomics.add(this.#words, DROPPED, 1);
    for (let thread = FIRST_THREAD; thread < this.#words.length; thread++) {
      if (Atomics.load(this.#words, thread) > 0) broadcast.wake(thread - FIRST_THREAD);
    }
  }

  /** Sends a line to the monitors of this worker. */
  deliver({ kind, first: { bytes, start, end } }: BroadcastRecord): void {
    if (kind !== LINE || this.#receivers.size === 0) return;
    const { deliveries, newcomers } = this.#parts;
    deliveries.send(newcomers.without(this.#receivers), (into) =>
      into.appendRun(bytes, start, end),
    );
  }

  /** Closes the monitors of this worker if lines were dropped. */
  closeIfDropped(): void {
    if (this.#receivers.size === 0) return;
    if (Atomics.load(this.#words, DROPPED) !== this.#droppedBefore) this.lost();
  }

  /** Closes the monitors of this worker, which has lost lines. */
  lost(): void {
    for (const receiver of [...this.#receivers]) this.#parts.sink.closeSlow(receiver);
  }

  #count(change: 1 | -1): void {
    Atomics.add(this.#words, FIRST_THREAD + this.#parts.thread, change);
    Atomics.add(this.#words, ALL, change);
  }
}
