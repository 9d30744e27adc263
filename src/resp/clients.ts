// The clients of all workers, for CLIENT LIST and CLIENT KILL: a table in shared memory.
// A thread owns the rows of its part and is their only writer. One field is an exception: any thread
// may mark a client to be killed. The worker of the client checks this mark every 100 ms.
//
// A row has a sequence number, other numbers and a text, whose fields are separated by line ends. The
// sequence is odd during a write, and a reader then tries again. Connections beyond the rows of their
// thread are served but not listed.

const ROWS_PER_THREAD = 4096;
const ROW_BYTES = 512;
const ROW_WORDS = ROW_BYTES / Int32Array.BYTES_PER_ELEMENT;
const ROW_FLOATS = ROW_BYTES / Float64Array.BYTES_PER_ELEMENT;
// Offsets of the words of a row.
const SEQUENCE = 0;
const KILL = 1;
const TEXT_LENGTH = 2;
const LAST_COMMAND = 3;
// Offsets of the floats of a row, after the words.
const ID = 2;
const CREATED = 3;
const USED = 4;
const TEXT = 40;
const TEXT_BYTES_MAX = ROW_BYTES - TEXT;
/**
 * Bytes of each entry of the index after all rows: the number of each row's client, or 0. A search
 * for a number reads only the index. The entries use 4 of these bytes, so half of the index is unused.
 */
const ID_BYTES = Float64Array.BYTES_PER_ELEMENT;
/** Words of row 0, which has no client: the last assigned number, and the number of kills. */
const LAST_ID = 0;
const KILLS = 1;

export const NO_ROW = -1;
/** The numbers of subscriptions of a client without any. */
export const NO_SUBSCRIPTIONS = "sub=0 psub=0 ssub=0";

/** The text fields of a client, which its worker writes. */
export interface Description {
  readonly address: string;
  readonly localAddress: string;
  readonly version: 2 | 3;
  /** The flags of CLIENT LIST. */
  readonly flags: string;
  /** The numbers of subscriptions, as CLIENT LIST writes them. */
  readonly subscriptions: string;
  /** The client that invalidations are redirected to, 0, or -1 without tracking. */
  readonly redirect: number;
  readonly libName: string;
  readonly libVersion: string;
  readonly name: string;
  /** Number of the selected database. */
  readonly database: number;
}

export interface Client extends Description {
  readonly id: number;
  readonly row: number;
  readonly ageSeconds: number;
  readonly idleSeconds: number;
  /** Number of the client's last command, or -1. */
  readonly lastCommand: number;
}

/** Returns zeroed memory for the clients of `threads` threads. */
export function allocateClients(threads: number): SharedArrayBuffer {
  const rows = 1 + threads * ROWS_PER_THREAD;
  return new SharedArrayBuffer(rows * (ROW_BYTES + ID_BYTES));
}

export class Clients {
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #bytes: Buffer;
  /** The number of the client of each row, or 0. */
  readonly #ids: Int32Array;
  readonly #firstRow: number;
  readonly #free: number[] = [];
  /** The number of kills after which no client of this thread was left to be closed. */
  killsDone: number;
  /** End of the rows of this thread that have been in use. */
  #usedEnd: number;

  /** Attaches as this thread, and clears the rows of an earlier thread with the same number. */
  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#words = new Int32Array(memory);
    this.#floats = new Float64Array(memory);
    this.#bytes = Buffer.from(memory) as Buffer;
    const rows = memory.byteLength / (ROW_BYTES + ID_BYTES);
    this.#ids = new Int32Array(memory, rows * ROW_BYTES, rows);
    this.#firstRow = 1 + thread * ROWS_PER_THREAD;
    this.#usedEnd = this.#firstRow;
    this.killsDone = this.kills;
    for (let row = this.#firstRow; row < this.#firstRow + ROWS_PER_THREAD; row++) {
      if (this.#floats[row * ROW_FLOATS + ID] !== 0) this.#clear(row);
    }
  }

  /** Returns a number that no other client of the service has had. */
  nextId(): number {
    return Atomics.add(this.#words, LAST_ID, 1) + 1;
  }

  /** Lists a client. Returns its row, or NO_ROW if the table is full. O(1). */
  add(id: number, description: Description, nowMs: number): number {
    const isFull = this.#usedEnd === this.#firstRow + ROWS_PER_THREAD;
    const row = this.#free.pop() ?? (isFull ? NO_ROW : this.#usedEnd++);
    if (row === NO_ROW) return NO_ROW;
    this.#words[row * ROW_WORDS + KILL] = 0;
    this.#floats[row * ROW_FLOATS + CREATED] = nowMs;
    this.#floats[row * ROW_FLOATS + USED] = nowMs;
    this.#words[row * ROW_WORDS + LAST_COMMAND] = -1;
    this.describe(row, description);
    this.#floats[row * ROW_FLOATS + ID] = id;
    Atomics.store(this.#ids, row, id);
    return row;
  }

  /** Takes a client of this thread that is about to close off the list. Its row stays in use until `remove`. */
  unlist(row: number): void {
    if (row !== NO_ROW) Atomics.store(this.#ids, row, 0);
  }

  remove(row: number): void {
    if (row === NO_ROW) return;
    this.#clear(row);
    this.#free.push(row);
  }

  /** Records the time and the last command of a client. */
  used(row: number, lastCommand: number, nowMs: number): void {
    if (row === NO_ROW) return;
    this.#floats[row * ROW_FLOATS + USED] = nowMs;
    this.#words[row * ROW_WORDS + LAST_COMMAND] = lastCommand;
  }

  /** Replaces the description of a client of this thread. A text longer than a row is cut. */
  describe(row: number, client: Description): void {
    if (row === NO_ROW) return;
    const { address, localAddress, version, flags, subscriptions, redirect } = client;
    const { database, libName, libVersion, name } = client;
    const text = [
      ...[address, localAddress, version, database, flags, subscriptions, redirect],
      ...[libName, libVersion, name],
    ].join("\n");
    const word = row * ROW_WORDS;
    Atomics.add(this.#words, word + SEQUENCE, 1);
    this.#words[word + TEXT_LENGTH] = this.#bytes.write(
      text,
      row * ROW_BYTES + TEXT,
      TEXT_BYTES_MAX,
      "utf8",
    );
    Atomics.add(this.#words, word + SEQUENCE, 1);
  }

  /** Returns the rows of all listed clients, in the order of their numbers. Reads 4 bytes a row. */
  rows(): number[] {
    const ids = this.#ids;
    const rows: number[] = [];
    for (let row = 1; row < ids.length; row++) if (ids[row] !== 0) rows.push(row);
    return rows.sort((a, b) => (ids[a] ?? 0) - (ids[b] ?? 0));
  }

  /** Returns the row of the client with this number, or NO_ROW. Reads 4 bytes a row. */
  rowOf(id: number): number {
    return id > 0 ? this.#ids.indexOf(id) : NO_ROW;
  }

  /** Returns the thread of the client in this row. */
  threadOf(row: number): number {
    return Math.floor((row - 1) / ROWS_PER_THREAD);
  }

  /** Returns the client in this row, or undefined if the row has none. O(1). */
  at(row: number, nowMs: number): Client | undefined {
    const id = row === NO_ROW ? 0 : Atomics.load(this.#ids, row);
    if (id === 0) return undefined;
    const [address = "", localAddress = "", version, ...rest] = this.#readText(row).split("\n");
    const [database = "", flags = "", subscriptions = "", redirect = "", ...last] = rest;
    const [libName = "", libVersion = "", name = ""] = last;
    const secondsSince = (field: number) =>
      Math.max(0, Math.floor((nowMs - (this.#floats[row * ROW_FLOATS + field] ?? 0)) / 1000));
    const client: Client = {
      id,
      row,
      ageSeconds: secondsSince(CREATED),
      idleSeconds: secondsSince(USED),
      lastCommand: this.#words[row * ROW_WORDS + LAST_COMMAND] ?? -1,
      ...{ address, localAddress, version: version === "3" ? 3 : 2, flags },
      ...{ subscriptions, redirect: Number(redirect) },
      ...{ libName, libVersion, name, database: Number(database) },
    };
    return Atomics.load(this.#ids, row) === id ? client : undefined;
  }

  /** Number of kills since the start of the service. */
  get kills(): number {
    return Atomics.load(this.#words, KILLS);
  }

  /** Marks a client of any thread to be killed. */
  kill({ row, id }: Client): void {
    if (this.#floats[row * ROW_FLOATS + ID] !== id) return;
    Atomics.store(this.#words, row * ROW_WORDS + KILL, 1);
    Atomics.add(this.#words, KILLS, 1);
    Atomics.notify(this.#words, KILLS);
  }

  /** Calls `callback` in this thread after a client of any thread was marked. Returns a function that ends this. */
  onKill(callback: () => void): () => void {
    let isOver = false;
    let seen = Atomics.load(this.#words, KILLS);
    const wait = async (): Promise<void> => {
      while (!isOver) {
        await Atomics.waitAsync(this.#words, KILLS, seen).value;
        // Read before the callback: a kill during it wakes the thread again.
        seen = Atomics.load(this.#words, KILLS);
        callback();
      }
    };
    void wait();
    return () => {
      isOver = true;
      Atomics.notify(this.#words, KILLS);
    };
  }

  /**
   * As `isKilled`, for a client of this thread whose connection is open. It runs for each read of a socket, so it is
   * not atomic and reads one word for all clients while no kill is left to do.
   */
  isOwnKilled(row: number): boolean {
    return this.#words[KILLS] !== this.killsDone && this.isKilled(row);
  }

  /** Returns whether a client is marked to be killed. */
  isKilled(row: number): boolean {
    return row !== NO_ROW && this.#words[row * ROW_WORDS + KILL] !== 0;
  }

  #clear(row: number): void {
    Atomics.store(this.#ids, row, 0);
    this.#floats[row * ROW_FLOATS + ID] = 0;
    this.#words[row * ROW_WORDS + KILL] = 0;
  }

  #readText(row: number): string {
    const word = row * ROW_WORDS;
    for (;;) {
      const sequence = Atomics.load(this.#words, word + SEQUENCE);
      const length = Math.max(0, Math.min(TEXT_BYTES_MAX, this.#words[word + TEXT_LENGTH] ?? 0));
      const start = row * ROW_BYTES + TEXT;
      const text = this.#bytes.toString("utf8", start, start + length);
      const isWhole = sequence % 2 === 0;
      if (isWhole && Atomics.load(this.#words, word + SEQUENCE) === sequence) return text;
      Atomics.pause();
    }
  }
}
