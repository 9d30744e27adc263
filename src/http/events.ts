// The live figures as server-sent events, once a second to everybody who listens.
//
// One reading a second serves all listeners of a worker, and there is none without listeners.
// Who does not read misses readings: nothing waits for him.

import type { Live } from "../metrics/live.ts";

const EVERY_MS = 1000;
/** Readings that a listener may be behind. */
const MOST_WAITING = 4;

type Listener = ReadableStreamDefaultController<Uint8Array>;

export class FigureEvents {
  readonly #live: () => Live;
  readonly #listeners = new Set<Listener>();
  readonly #encoder = new TextEncoder();
  #timer: Timer | undefined;
  /** The last reading. */
  #event = new Uint8Array();

  /** `live` is called when there is a listener after there was none. */
  constructor(live: () => Live) {
    this.#live = live;
  }

  /** An answer that goes on until the listener goes away, or `end`. */
  answer(): Response {
    let own: Listener | undefined;
    const stream = new ReadableStream<Uint8Array>(
      {
        start: (listener) => {
          own = listener;
          if (this.#listeners.size === 0) this.#begin();
          this.#listeners.add(listener);
          listener.enqueue(this.#event);
        },
        cancel: () => {
          if (own !== undefined) this.#leave(own);
        },
      },
      { highWaterMark: MOST_WAITING },
    );
    return new Response(stream, {
      headers: {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
      },
    });
  }

  /** Ends all answers. */
  end(): void {
    for (const listener of this.#listeners) listener.close();
    for (const listener of this.#listeners) this.#leave(listener);
  }

  #begin(): void {
    const live = this.#live();
    const read = (): void => {
      const figures = JSON.stringify(live.next());
      this.#event = this.#encoder.encode(`event: figures\ndata: ${figures}\n\n`);
    };
    read();
    this.#timer = setInterval(() => {
      read();
      for (const listener of this.#listeners) {
        if ((listener.desiredSize ?? 0) > 0) listener.enqueue(this.#event);
      }
    }, EVERY_MS);
  }

  #leave(listener: Listener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size === 0) clearInterval(this.#timer);
  }
}
