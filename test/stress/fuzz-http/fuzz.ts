// Random, mutated and hostile bytes for the HTTP API of the real service, over sockets. Whatever
// comes, the service goes on: it does not end or hang, answers nothing with 500 and nothing that is
// not HTTP, executes nothing that RFC 9112 says to reject, stays within its memory, and what was
// put before is there after.

import type { Random } from "../../lib/random.ts";
import { type Answer, checkAnswer, LawBroken, readAnswer, ServiceLost } from "./answers.ts";
import { type Child, startChild } from "./child.ts";
import { Connection, Fence } from "./connection.ts";
import { type Input, KEPT, keptKey, type Kind, KINDS, shown } from "./input.ts";
import { Inputs } from "./inputs.ts";
import type { Document } from "./routes.ts";

/** Inputs that are under way at a time, each on a connection of its own. */
const LANES = 64;
/** Inputs from one look at the service to the next. */
const LOOK_EVERY = 500;
/** Longest time for the response to a valid request, and for the end of a connection. */
const PATIENCE_MS = 60_000;
/** A process that has crashed has exited after this time. */
const CRASH_MS = 5000;

export interface FuzzFigures {
  readonly seed: number;
  readonly requests: number;
  readonly kinds: Readonly<Record<Kind, number>>;
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Connections made, and those that the service closed by itself. */
  readonly connections: number;
  readonly closed: number;
  readonly kept: number;
  readonly maxRssMb: number;
  readonly seconds: number;
}

/** Sends `requests` requests, or a few more. Throws on the first request that makes the service break a law. */
export async function fuzz(
  requests: number,
  random: Random,
  progress: (done: number) => void,
  start: () => Promise<Child> = startChild,
): Promise<FuzzFigures> {
  await using child = await start();
  const run = new Run(child, random, progress);
  try {
    return await run.all(requests);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const parts = [`SEED=${random.seed}: ${message}`];
    const isLost = error instanceof ServiceLost || !(error instanceof LawBroken);
    // A crash is first seen by some connection that it closes.
    const mayHaveCrashed = isLost || message.includes("closed a connection");
    const code = await Promise.race([child.exited, Bun.sleep(mayHaveCrashed ? CRASH_MS : 0)]);
    if (code !== undefined) parts.push(`the service has ended with ${code}`);
    if (code !== undefined || isLost) {
      const inputs = run.underWay.map(({ kind, bytes }) => `${kind}: ${shown(bytes)}`);
      parts.push("under way were", ...inputs);
    }
    parts.push("its log ends", ...child.log().trimEnd().split("\n").slice(-10));
    throw new Error(parts.join("\n"), { cause: error });
  }
}

class Run {
  readonly #child: Child;
  readonly #random: Random;
  readonly #progress: (done: number) => void;
  readonly #beganMs = performance.now();
  readonly #kinds = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>;
  readonly #statuses: Record<string, number> = {};
  readonly #lanes = new Map<number, { readonly input: Input; readonly sinceMs: number }>();
  readonly #failed = Promise.withResolvers<never>();
  #requests = 0;
  #inputs = 0;
  #connections = 0;
  #closed = 0;
  #maxRssMb = 0;

  constructor(child: Child, random: Random, progress: (done: number) => void) {
    this.#child = child;
    this.#random = random;
    this.#progress = progress;
  }

  /** What the service may have in hand. */
  get underWay(): Input[] {
    return [...this.#lanes.values()].map(({ input }) => input);
  }

  async all(requests: number): Promise<FuzzFigures> {
    const { promise: failed, reject: fail } = this.#failed;
    let isOver = false;
    void this.#child.exited.then((code) => {
      if (!isOver) fail(new ServiceLost(`the service ended with ${code}`));
    });
    const watching = setInterval(() => this.#watch(), 1000);
    try {
      const report = await Promise.race([failed, this.#sendAll(requests)]);
      isOver = true;
      const code = await this.#child.stop();
      if (code !== 0) throw new LawBroken(`the service stopped with ${code}`);
      if (/ failed|restarted/.test(this.#child.log()))
        throw new LawBroken("its log tells of a failure");
      return report;
    } finally {
      clearInterval(watching);
    }
  }

  async #sendAll(requests: number): Promise<FuzzFigures> {
    const document = (await this.#ask("GET", "/openapi.json")) as unknown as Document;
    for (let n = 0; n < KEPT; n++) {
      await this.#ask("POST", "/put", JSON.stringify({ key: keptKey(n), value: "kept" }));
    }
    // With --upstream, the entries become near.
    for (let n = 0; n < KEPT; n++) await this.#ask("GET", `/get?key=${keptKey(n)}`);
    // These two are made when they are first asked for, and a request that follows in the same
    // pipeline before they are makes Bun 1.4.5 close the connection.
    for (const path of ["/", "/metrics"]) await this.#ask("GET", path);

    const inputs = new Inputs(this.#random, document);
    const fence = await Fence.open(this.#child.port, (error) => this.#failed.reject(error));
    const lane = async (number: number): Promise<void> => {
      let connection: Connection | undefined;
      while (this.#requests < requests) {
        const input = inputs.next();
        this.#requests += input.requests;
        this.#kinds[input.kind] += input.requests;
        this.#lanes.set(number, { input, sinceMs: performance.now() });
        if (this.#inputs++ % LOOK_EVERY === 0) await this.#look();
        connection = await this.#exchange(input, connection, fence);
        this.#lanes.delete(number);
      }
      connection?.leave("close");
    };
    await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)));
    fence.close();
    await this.#look();
    return { ...(await this.#stats()), kept: await this.#kept() };
  }

  /** Sends one input and checks what comes; answers the connection if it can be used again. */
  async #exchange(
    input: Input,
    used: Connection | undefined,
    fence: Fence,
  ): Promise<Connection | undefined> {
    const { bytes, cuts = [], answers, then, guarded } = input;
    const connection = used?.isOpen ? used : await this.#connect();
    try {
      let sent = 0;
      for (const cut of cuts.toSorted((a, b) => a - b)) {
        connection.send(bytes.subarray(sent, cut));
        sent = cut;
        await this.#passed(fence, guarded);
      }
      connection.send(bytes.subarray(sent));
      for (const [index, expected] of answers.entries()) {
        const answer = await this.#answer(connection, expected.method === "HEAD");
        if (answer === undefined && this.#child.mayClose) return undefined;
        if (answer === undefined) {
          const came = `${index} of ${answers.length} answers had come`;
          throw new ServiceLost(`the service closed a connection when ${came}`);
        }
        const members = checkAnswer(answer);
        const { status } = answer;
        if (!expected.statuses.has(status) && !this.#mayAnswer(input, status)) {
          throw new LawBroken(`answer ${index} is ${status}: ${answer.body.toString()}`);
        }
        if (status === 200 && expected.key !== undefined && members["key"] !== expected.key) {
          throw new LawBroken(`answer ${index} is not of its key: ${answer.body.toString()}`);
        }
      }
      if (then === "reuse" && guarded !== undefined) await this.#passed(fence, guarded);
      if (then === "reuse") {
        if (connection.received.length === 0) return connection;
        throw new LawBroken(`an answer to nothing: ${shown(connection.received)}`);
      }
      for (let times = 0; times < 2; times++) await this.#passed(fence, guarded);
      connection.leave(then);
      while (then === "half-close" && connection.isOpen) await connection.changed();
      this.#rest(connection, bytes.includes("HEAD"));
      return undefined;
    } catch (error) {
      if (!(error instanceof LawBroken)) throw error;
      const cutAt = cuts.length > 0 ? `, cut at ${cuts.join()}` : "";
      throw new LawBroken(`${error.message}\n  after ${input.kind}${cutAt}: ${shown(bytes)}`);
    }
  }

  /** Whether a status that is not that of the request is right: the runtime rejects what is behind a late response. */
  #mayAnswer({ kind }: Input, status: number): boolean {
    const { alsoAnswers, mayClose } = this.#child;
    const isRejected = mayClose && kind === "garbage after" && (status === 400 || status === 505);
    return isRejected || alsoAnswers.has(status);
  }

  /** The service has seen what was sent; what was kept is there. */
  async #passed(fence: Fence, kept = 0): Promise<void> {
    const status = await fence.pass(kept);
    if (status === 404) throw new LawBroken(`${keptKey(kept)} is gone`);
    if (status !== 200) throw new ServiceLost(`a get of a kept entry is answered with ${status}`);
  }

  /** The next final answer; undefined if the connection closed before it was whole. */
  async #answer(connection: Connection, isHead: boolean): Promise<Answer | undefined> {
    for (;;) {
      const isClosed = !connection.isOpen;
      const answer = readAnswer(connection.received, 0, { isHead, isClosed });
      if (answer === undefined) {
        if (isClosed) return undefined;
        await connection.changed();
        continue;
      }
      connection.forget(answer.end);
      this.#count(answer);
      if (answer.status >= 200) return answer;
    }
  }

  /** What has come of answers that nobody knows beforehand. The last may be cut short. */
  #rest(connection: Connection, hasHead: boolean): void {
    const options = { isHead: hasHead ? "perhaps" : false, isClosed: true } as const;
    const { received } = connection;
    for (let at = 0; at < received.length;) {
      const answer = readAnswer(received, at, options);
      if (answer === undefined) return;
      this.#count(answer);
      checkAnswer(answer);
      at = answer.end;
    }
  }

  #count({ status }: Answer): void {
    this.#statuses[status] = (this.#statuses[status] ?? 0) + 1;
  }

  async #connect(): Promise<Connection> {
    this.#connections++;
    return await Connection.open(this.#child.port, (byService) => {
      if (byService) this.#closed++;
    });
  }

  /** A request on a fresh connection, which must be answered with 200; its JSON. */
  async #ask(
    method: string,
    target: string,
    body = "",
  ): Promise<Readonly<Record<string, unknown>>> {
    const connection = await this.#connect();
    const head = `${method} ${target} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}`;
    connection.send(Buffer.from(`${head}\r\n\r\n${body}`));
    const overdue = new Promise<undefined>((resume) => {
      setTimeout(() => resume(undefined), PATIENCE_MS).unref();
    });
    const answer = await Promise.race([this.#answer(connection, false), overdue]);
    connection.leave("close");
    if (answer?.status === 200) return checkAnswer(answer);
    throw new LawBroken(
      `${method} ${target} on a fresh connection: ${answer?.status ?? "no answer"}`,
    );
  }

  /** Whether it still serves, and how much memory it has. */
  async #look(): Promise<void> {
    this.#progress(this.#requests);
    await this.#ask("GET", "/health");
    this.#maxRssMb = Math.max(this.#maxRssMb, this.#child.rssMb());
    const { rssBoundMb } = this.#child;
    if (this.#maxRssMb > rssBoundMb) {
      const bound = `${rssBoundMb.toFixed(1)} MB`;
      throw new LawBroken(`${this.#maxRssMb.toFixed(1)} MB are resident, more than ${bound}`);
    }
  }

  /** Fails if an input has been under way for too long. */
  #watch(): void {
    const nowMs = performance.now();
    for (const { input, sinceMs } of this.#lanes.values()) {
      if (nowMs - sinceMs < PATIENCE_MS) continue;
      this.#failed.reject(new LawBroken(`no end of ${input.kind}: ${shown(input.bytes)}`));
    }
  }

  async #kept(): Promise<number> {
    const keys = Array.from({ length: KEPT }, (_, n) => keptKey(n));
    const { values } = await this.#ask("POST", "/mget", JSON.stringify({ keys }));
    const kept = Array.isArray(values) ? values.filter((value) => value === "kept").length : 0;
    // Otherwise what is missing may have been evicted, or lost with a worker.
    const stats = await this.#ask("GET", "/stats");
    for (const figure of ["evicted_count", "worker_restarts", "shards_emptied"]) {
      if (stats[figure] !== 0) throw new LawBroken(`${figure} is ${String(stats[figure])}`);
    }
    if (kept !== KEPT) throw new LawBroken(`${kept} of ${KEPT} kept entries are there`);
    return kept;
  }

  async #stats(): Promise<Omit<FuzzFigures, "kept">> {
    return {
      ...{ seed: this.#random.seed, requests: this.#requests, kinds: this.#kinds },
      ...{ statuses: this.#statuses, connections: this.#connections, closed: this.#closed },
      maxRssMb: Math.round(this.#maxRssMb * 10) / 10,
      seconds: Math.round((performance.now() - this.#beganMs) / 100) / 10,
    };
  }
}
