// A worker's connection to one server of the upstream, by @redis/client. Imported only with --upstream.

import { ClientClosedError, ClientOfflineError, createClient, ErrorReply } from "@redis/client";

import type { Seed } from "../config/upstream.ts";
import { clientOptions, REPLY_OPTIONS, type UpstreamSettings } from "./client-options.ts";
import {
  EngineError,
  type EngineReply,
  type Target,
  UnreachableError,
  type Word,
} from "./engine.ts";
import { readServerInfo } from "./topology.ts";

type Commands = readonly (readonly Word[])[];

/** Connects again by itself until it is closed. */
export class ServerConnection implements Target {
  readonly server: Seed;
  readonly #client: ReturnType<typeof clientOf>;
  /** Resolves when the first attempt to connect has succeeded, or has taken too long. */
  readonly #firstAttempt: Promise<void>;
  #isSettled = false;
  #id = "";
  /** Counts the connections: the answer of an earlier one does not name the server. */
  #generation = 0;
  #inFlight = 0;
  #usedMs = performance.now();

  constructor(settings: UpstreamSettings, server: Seed, isCluster: boolean) {
    this.server = server;
    const client = clientOf(settings, server);
    this.#client = client;
    const lost = (): void => {
      this.#generation++;
      this.#id = "";
    };
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, settings.config.upstreamTimeout * 1000);
    this.#firstAttempt = promise.then(() => {
      clearTimeout(timer);
      this.#isSettled = true;
    });
    client.on("error", lost);
    client.on("reconnecting", lost);
    client.on("ready", () => {
      // Another server may answer at this address than before.
      lost();
      void this.#identify(this.#generation, isCluster).then(resolve);
    });
    // The strategy never gives up, so this ends with `close` only.
    client.connect().catch(() => {});
  }

  /** The name of the server that answers; "" while it is not known. */
  get id(): string {
    return this.#id;
  }

  get isReady(): boolean {
    return this.#id !== "";
  }

  /** Whether the first attempt to connect is over. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Whether no command has been in flight for this time. */
  isIdleFor(ms: number): boolean {
    return this.#inFlight === 0 && performance.now() - this.#usedMs > ms;
  }

  send(args: readonly Word[]): Promise<EngineReply> {
    return this.#isSettled ? this.#send(args) : this.#firstAttempt.then(() => this.#send(args));
  }

  transact(commands: Commands): Promise<readonly EngineReply[]> {
    return this.#whenOpen(() => this.#transact(commands));
  }

  /** Returns this server for commands of a slot that is moving to it. */
  asking(): Target {
    const ask = <T>(work: () => Promise<T>): Promise<T> =>
      this.#whenOpen(() => {
        // Its error is also that of the command behind it.
        this.#send(["ASKING"]).catch(() => {});
        return work();
      });
    return {
      id: "",
      server: this.server,
      send: (args) => ask(() => this.#send(args)),
      transact: (commands) => ask(() => this.#transact(commands)),
    };
  }

  close(): void {
    this.#isSettled = true;
    this.#client.destroy();
  }

  #whenOpen<T>(work: () => Promise<T>): Promise<T> {
    return this.#isSettled ? work() : this.#firstAttempt.then(work);
  }

  #send(args: readonly Word[]): Promise<EngineReply> {
    this.#inFlight++;
    return this.#client.sendCommand(args, REPLY_OPTIONS).then(this.#answered, this.#failed);
  }

  readonly #answered = (reply: unknown): EngineReply => {
    this.#inFlight--;
    this.#usedMs = performance.now();
    return reply as EngineReply;
  };

  readonly #failed = (error: unknown): never => {
    this.#inFlight--;
    this.#usedMs = performance.now();
    throw failureOf(error);
  };

  /** The client sends in order what it is given in one turn, so no other command comes in between. */
  async #transact(commands: Commands): Promise<readonly EngineReply[]> {
    const sent = [["MULTI"], ...commands, ["EXEC"]].map((args) => this.#send(args));
    const replies = await Promise.allSettled(sent);
    const last = replies.at(-1);
    if (last?.status !== "fulfilled") {
      // The reason why EXEC did not run: for example, a slot that has moved.
      const first = replies.find(({ status }) => status === "rejected");
      throw first?.status === "rejected" ? first.reason : new EngineError("ERR EXEC did not run");
    }
    if (!Array.isArray(last.value)) throw new EngineError("ERR the upstream did not run EXEC");
    return last.value as readonly EngineReply[];
  }

  async #identify(generation: number, isCluster: boolean): Promise<void> {
    const args = isCluster ? ["CLUSTER", "MYID"] : ["INFO", "server"];
    const text = await this.#client.sendCommand(args, { timeout: 0 }).catch(() => "");
    if (generation !== this.#generation) return;
    this.#id = isCluster ? String(text) : readServerInfo(String(text)).runId;
  }
}

function clientOf(settings: UpstreamSettings, server: Seed) {
  return createClient({ ...clientOptions(settings, server), RESP: 2 });
}

function failureOf(error: unknown): Error {
  if (error instanceof ErrorReply) return new EngineError(error.message);
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof ClientOfflineError || error instanceof ClientClosedError)
    return new UnreachableError(text, "not run");
  return new UnreachableError(text, /timeout/i.test(text) ? "timeout" : "lost");
}
