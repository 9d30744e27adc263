// The live stats as server-sent events, once a second to each listener. The first event of a listener is
// the history, which all listeners of a second share.
//
// One sample a second serves all listeners of a worker; without a listener none is taken. A listener
// that does not read misses events, and its stream ends once it has missed MISSED_EVENTS_MAX in a row.

import { HISTORY_EVENT } from "../live/history.ts";

const INTERVAL_MS = 1000;
/** The first sample covers this time: no mark was set before the first listener came. */
const FIRST_SAMPLE_MS = 200;
/** The history and four events may wait for a listener, besides those in the buffers below. */
const QUEUED_EVENTS_MAX = 5;
/** Events in a row that a listener may miss. */
const MISSED_EVENTS_MAX = 30;

/** Takes the samples: LiveSampler. */
export interface Sampler {
  mark(): void;
  stats(): object;
}

/** The samples of the last minutes: StatsHistory. */
export interface RecordedStats {
  /** Samples since the start. */
  readonly count: number;
  table(): object;
}

type Listener = ReadableStreamDefaultController<Uint8Array>;

export class StatsEvents {
  readonly #sampler: Sampler;
  readonly #history: RecordedStats;
  /** The event of the history when it had `#historyCount` samples. */
  #historyEvent: Uint8Array<ArrayBuffer> | undefined;
  #historyCount = 0;
  /** With the number of events that each has missed since its last one. */
  readonly #listeners = new Map<Listener, number>();
  readonly #encoder = new TextEncoder();
  /** Undefined while there is no listener. */
  #timer: Timer | undefined;
  #hasPublished = false;

  constructor(sampler: Sampler, history: RecordedStats) {
    this.#sampler = sampler;
    this.#history = history;
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
          listener.enqueue(this.#pastEvent());
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
    return this.#encode("figures", this.#sampler.stats());
  }

  #pastEvent(): Uint8Array<ArrayBuffer> {
    const { count } = this.#history;
    if (this.#historyEvent === undefined || count !== this.#historyCount) {
      this.#historyEvent = this.#encode(HISTORY_EVENT, this.#history.table());
      this.#historyCount = count;
    }
    return this.#historyEvent;
  }

  #encode(name: string, data: object): Uint8Array<ArrayBuffer> {
    return this.#encoder.encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }
}
