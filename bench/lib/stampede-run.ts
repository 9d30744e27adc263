// Runs rounds of a stampede over several processes; for the bench, and for the test of its laws.

import type { Round, Seen } from "./stampede-caller.ts";

const CALLER = new URL("stampede-caller.ts", import.meta.url).pathname;

export interface Holder {
  readonly holder: number;
  readonly beganMs: number;
}

/** One process with its callers. */
class Caller {
  readonly #child = Bun.spawn([process.execPath, CALLER], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  readonly #lines: AsyncIterator<string>;

  constructor() {
    this.#lines = linesOf(this.#child.stdout);
  }

  /** Returns the next line, or undefined once the process has ended. */
  async line(): Promise<string | undefined> {
    return (await this.#lines.next()).value as string | undefined;
  }

  send(round: Round): void {
    this.#child.stdin.write(`${JSON.stringify(round)}\n`);
    this.#child.stdin.flush();
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

export class Stampede {
  readonly #callers: readonly Caller[];

  private constructor(callers: readonly Caller[]) {
    this.#callers = callers;
  }

  static async start(processes: number): Promise<Stampede> {
    const callers = Array.from({ length: processes }, () => new Caller());
    await Promise.all(callers.map((caller) => caller.line()));
    return new Stampede(callers);
  }

  /** Runs a round in all processes at once. */
  async run(round: Round): Promise<Seen[]> {
    for (const caller of this.#callers) caller.send(round);
    const lines = await Promise.all(this.#callers.map((caller) => caller.line()));
    return lines.map((line) => JSON.parse(line ?? "{}") as Seen);
  }

  /** As `run`, and kills the process that gets the first lease. Its callers are lost. */
  async runAndKillHolder(round: Round): Promise<{ holder: Holder; seen: Seen[] }> {
    for (const caller of this.#callers) caller.send({ ...round, dies: true });
    const seen: Seen[] = [];
    let holder: Holder | undefined;
    await Promise.all(
      this.#callers.map(async (caller) => {
        for (let line = await caller.line(); line !== undefined; line = await caller.line()) {
          const read = JSON.parse(line) as Seen | Holder;
          if (!("holder" in read)) return void seen.push(read);
          // The first one dies; the next one computes the value.
          if (holder === undefined) caller.kill();
          holder ??= read;
        }
      }),
    );
    if (holder === undefined) throw new Error("no caller got a lease");
    return { holder, seen };
  }

  [Symbol.dispose](): void {
    for (const caller of this.#callers) caller.kill();
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
