// The live stats as server-sent events, once a second to each listener.
//
// One sample a second serves all listeners of a worker; without a listener none is taken. A listener
// that does not read misses events, and its stream ends once it has missed MISSED_EVENTS_MAX in a row.

const INTERVAL_MS = 1000;
/** The first sample covers this time: no mark was set before the first listener came. */
const FIRST_SAMPLE_MS = 200;
/** Events that may wait for a listener, besides those in the buffers of the runtime and the kernel. */
const QUEUED_EVENTS_MAX = 4;
/** Events in a row that a listener may miss. */
const MISSED_EVENTS_MAX = 30;

/** Takes the samples: LiveSampler. */
export interface Sampler {
  mark(): void;
  stats(): object;
}

type Listener = ReadableStreamDefaultController<Uint8Array>;

export class StatsEvents {
  readonly #sampler: Sampler;
  /** With the number of events that each has missed since its last one. */
  readonly #listeners = new Map<Listener, number>();
  readonly #encoder = new TextEncoder();
  /** Undefined while there is no listener. */
  #timer: Timer | undefined;
  #hasPublished = false;

  constructor(sampler: Sampler) {
    this.#sampler = sampler;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  /** Returns a response that lasts until the listener leaves, or `end`. */
  subscribe(): Response {
    let own: Listener | undefined;
    const stream = new ReadableStream<Uint8Array>(
      {
        start: (listener) => {
          own = listener;
          this.#listeners.set(listener, 0);
          if (this.#hasPublished) listener.enqueue(this.#event());
          else this.#startTimer();
        },
        cancel: () => {
          if (own !== undefined) this.#listeners.delete(own);
        },
      },
      { highWaterMark: QUEUED_EVENTS_MAX },
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

  /** Sends the stats of the last second to each listener. The timer calls it once a second. O(listeners). */
  publish(): void {
    const event = this.#event();
    this.#sampler.mark();
    this.#hasPublished = true;
    for (const [listener, missed] of this.#listeners) {
      if ((listener.desiredSize ?? 0) > 0) {
        listener.enqueue(event);
        this.#listeners.set(listener, 0);
      } else if (missed + 1 < MISSED_EVENTS_MAX) {
        this.#listeners.set(listener, missed + 1);
      } else {
        listener.close();
        this.#listeners.delete(listener);
      }
    }
  }

  /** Ends all streams: their clients have to connect again, with a token that is valid now. */
  end(): void {
    for (const listener of this.#listeners.keys()) listener.close();
    this.#listeners.clear();
    this.#stopTimer();
  }

  #startTimer(): void {
    if (this.#timer !== undefined) return;
    // The stats are those since the mark before the last one.
    this.#sampler.mark();
    this.#sampler.mark();
    this.#timer = setTimeout(() => this.#tick(), FIRST_SAMPLE_MS);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#hasPublished = false;
  }

  #tick(): void {
    if (this.#listeners.size === 0) return this.#stopTimer();
    this.#timer = setTimeout(() => this.#tick(), INTERVAL_MS);
    this.publish();
  }

  #event(): Uint8Array<ArrayBuffer> {
    const stats = JSON.stringify(this.#sampler.stats());
    return this.#encoder.encode(`event: figures\ndata: ${stats}\n\n`);
  }
}
