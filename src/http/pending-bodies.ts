// The bodies that a worker is receiving: so many bytes at one time, whoever sends them.

/** What is smaller is not counted: it has come with its head, as a rule. */
const SMALL_BYTES = 16 * 1024;

export class PendingBodies {
  readonly #limitBytes: number;
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** Makes room for so many bytes; false if there is none. One body alone always has room. */
  take(bytes: number): boolean {
    if (bytes <= SMALL_BYTES) return true;
    if (this.#bytes > 0 && this.#bytes + bytes > this.#limitBytes) return false;
    this.#bytes += bytes;
    return true;
  }

  /** What was taken has come, or will not. */
  release(bytes: number): void {
    if (bytes > SMALL_BYTES) this.#bytes -= bytes;
  }
}
