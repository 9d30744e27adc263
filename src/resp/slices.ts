// The long commands of a worker. They take turns in time slices. Between two slices the worker serves
// other clients.

import type { Reply } from "./protocol/reply.ts";

/** Maximum duration of one slice, which all long commands of a worker share. */
export const SLICE_MS = 5;

interface Job {
  readonly isGone: () => boolean;
  /** Does a small part of the work, much shorter than SLICE_MS. Returns whether it was the last part. */
  readonly step: () => boolean;
  /** Writes the reply. `end` passes it to the pipeline. */
  readonly write: () => void;
  /** Parts of the reply, which are released at the end. */
  readonly asides: readonly Reply[];
  readonly end: (write: () => void) => void;
}

/** Runs the long commands of a worker in turns. */
export class Slices {
  readonly #jobs: Job[] = [];
  #isScheduled = false;

  /** Resolves with the function that writes the reply, after the last step or after the client has disconnected. */
  run(
    step: () => boolean,
    isGone: () => boolean,
    write: () => void,
    asides: readonly Reply[],
  ): Promise<() => void> {
    return new Promise((end) => {
      this.#jobs.push({ step, isGone, write, asides, end });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#turn();
      if (this.#jobs.length > 0) this.#schedule();
    });
  }

  #turn(): void {
    const endMs = performance.now() + SLICE_MS;
    do {
      const job = this.#jobs.shift();
      if (job === undefined) return;
      try {
        if (job.isGone() || job.step()) {
          release(job.asides);
          job.end(job.write);
        } else this.#jobs.push(job);
      } catch (error) {
        release(job.asides);
        // The pipeline calls this function, gets the error and closes the connection.
        job.end(() => {
          throw error;
        });
      }
    } while (performance.now() < endMs);
  }
}

/** Releases the claims of these parts of replies. */
export function release(asides: readonly Reply[]): void {
  for (const aside of asides) aside.release();
}
