// The live figures as server-sent events, once a second to everybody who listens.
//
// One reading a second serves all listeners of a worker. Who does not read misses readings:
// nothing waits for him.

import type { Live } from "../metrics/live.ts";

const EVERY_MS = 1000;
/** Readings that a listener may be behind. */
const MOST_WAITING = 4;

type Listener = ReadableStreamDefaultController<Uint8Array>;

export class FigureEvents {
  readonly #live: Live;
  readonly #listeners = new Set<Listener>();
  readonly #encoder = new TextEncoder();
  readonly #timer: Timer;

  constructor(live: Live) {
    this.#live = live;
    this.#timer = setInterval(() => this.#tick(), EVERY_MS);
  }

  /** An answer that goes on until the listener goes away, or `end`. */
  answer(): Response {
    let own: Listener | undefined;
    const stream = new ReadableStream<Uint8Array>(
      {
        start: (listener) => {
          own = listener;
          this.#listeners.add(listener);
          listener.enqueue(this.#event());
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
    clearInterval(this.#timer);
    this.end();
  }

  /** Ends all answers: who listens has to ask again, and show a token that holds now. */
  end(): void {
    for (const listener of this.#listeners) listener.close();
    this.#listeners.clear();
  }

  #tick(): void {
    this.#live.mark();
    if (this.#listeners.size === 0) return;
    const event = this.#event();
    for (const listener of this.#listeners) {
      if ((listener.desiredSize ?? 0) > 0) listener.enqueue(event);
    }
  }

  #event(): Uint8Array<ArrayBuffer> {
    const figures = JSON.stringify(this.#live.figures());
    return this.#encoder.encode(`event: figures\ndata: ${figures}\n\n`);
  }
}
