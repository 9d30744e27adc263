// The long commands of a worker, which take turns: between two slices of time the worker serves other
// clients.

import type { Reply } from "./protocol/reply.ts";

/** All long commands of a worker together take so long at a time. */
export const SLICE_MS = 5;

interface Job {
  readonly isGone: () => boolean;
  /** Does a small part of the work, well below SLICE_MS; whether it was the last. */
  readonly step: () => boolean;
  /** To be called at the end. */
  readonly write: () => void;
  /** Released at the end. */
  readonly asides: readonly Reply[];
  readonly end: (write: () => void) => void;
}

/** The long commands of a worker, which take turns. */
export class Slices {
  readonly #jobs: Job[] = [];
  #isScheduled = false;

  /** Resolves when the job's last step is done, or its client has gone, with what is to be called then. */
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
        // Thrown again where the answer is written, which closes the connection.
        job.end(() => {
          throw error;
        });
      }
    } while (performance.now() < endMs);
  }
}

export function release(asides: readonly Reply[]): void {
  for (const aside of asides) aside.release();
}
