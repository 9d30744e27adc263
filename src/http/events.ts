// The live figures as server-sent events, once a second to everybody who listens.
//
// One reading a second serves all listeners of a worker; without a listener there is none. A
// listener that does not read misses readings, and its answer ends after MOST_MISSED of them.

import type { LiveSampler } from "../metrics/live-sampler.ts";

const EVERY_MS = 1000;
/** The first reading is of so long: there was none before the first listener. */
const FIRST_MS = 200;
/** Readings that a listener may be behind. */
const MOST_WAITING = 4;
/** Readings that a listener may miss one after another. */
const MOST_MISSED = 30;

type Listener = ReadableStreamDefaultController<Uint8Array>;

export class StatsEvents {
  readonly #live: LiveSampler;
  /** With the readings that each has missed since its last one. */
  readonly #listeners = new Map<Listener, number>();
  readonly #encoder = new TextEncoder();
  /** Undefined while there is no listener. */
  #timer: Timer | undefined;
  #hasRead = false;

  constructor(live: LiveSampler) {
    this.#live = live;
  }

  /** An answer that goes on until the listener goes away, or `end`. */
  answer(): Response {
    let own: Listener | undefined;
    const stream = new ReadableStream<Uint8Array>(
      {
        start: (listener) => {
          own = listener;
          this.#listeners.set(listener, 0);
          if (this.#hasRead) listener.enqueue(this.#event());
          else this.#begin();
        },
        cancel: () => {
          if (own !== undefined) this.#listeners.delete(own);
        },
      },
      { highWaterMark: MOST_WAITING },
    );
    return new Response(stream, {
      headers: {
        "content-type": "text/event-stream",
        // nginx would keep the events until its buffer is full.
        "x-accel-buffering": "no",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
      },
    });
  }

  /** Ends all answers, and makes no more. */
  stop(): void {
    this.end();
  }

  /** Ends all answers: who listens has to ask again, and show a token that holds now. */
  end(): void {
    for (const listener of this.#listeners.keys()) listener.close();
    this.#listeners.clear();
    this.#rest();
  }

  #begin(): void {
    if (this.#timer !== undefined) return;
    // Figures are those since the mark before the last one.
    this.#live.mark();
    this.#live.mark();
    this.#timer = setTimeout(() => this.#tick(), FIRST_MS);
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#hasRead = false;
  }

  #tick(): void {
    if (this.#listeners.size === 0) {
      this.#rest();
      return;
    }
    this.#timer = setTimeout(() => this.#tick(), EVERY_MS);
    const event = this.#event();
    this.#live.mark();
    this.#hasRead = true;
    for (const [listener, missed] of this.#listeners) {
      const isBehind = (listener.desiredSize ?? 0) <= 0;
      if (!isBehind) listener.enqueue(event);
      this.#listeners.set(listener, isBehind ? missed + 1 : 0);
      if (missed < MOST_MISSED) continue;
      listener.close();
      this.#listeners.delete(listener);
    }
  }

  #event(): Uint8Array<ArrayBuffer> {
    const stats = JSON.stringify(this.#live.stats());
    return this.#encoder.encode(`event: figures\ndata: ${stats}\n\n`);
  }
}
