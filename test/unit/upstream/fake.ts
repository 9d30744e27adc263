// A fake upstream: servers that hold keys, answer when the test lets them, and report changes.

import type { Engine, EngineReply, Target, Word } from "../../../src/upstream/engine.ts";
import { UnreachableError } from "../../../src/upstream/engine.ts";
import type { Link, LinkEvents } from "../../../src/upstream/tracker.ts";

/** One server of the fake upstream. */
export class FakeServer {
  readonly id: string;
  readonly keys = new Map<string, string>();
  /** The answer to CLUSTER INFO. */
  isOk = true;
  currentEpoch = 1;
  /** Lines of CLUSTER NODES. */
  nodes = "";
  /** Answers wait while it is frozen. */
  isFrozen = false;
  /** It cannot be reached. */
  isGone = false;
  events: LinkEvents | undefined;
  commands: string[] = [];
  /** The hosts that it names in CLUSTER SLOTS. */
  hosts = new Map<string, string>();
  #waiting: (() => void)[] = [];

  constructor(id: string) {
    this.id = id.repeat(40).slice(0, 40);
  }

  /** Opens the Tracker's connection. */
  connect(): void {
    this.events?.up(this.id);
  }

  /** Changes a key as another client does, and reports it. */
  set(key: string, value: string): void {
    this.keys.set(key, value);
    this.events?.invalidated(Buffer.from(key));
  }

  /** Answers what waits. */
  thaw(): void {
    this.isFrozen = false;
    for (const answer of this.#waiting.splice(0)) answer();
  }

  /** The value is that of the time when the command was sent. */
  async answer(args: readonly Word[]): Promise<EngineReply> {
    const [name = "", key = "", value = ""] = args.map(String);
    if (this.isGone) throw new UnreachableError("gone", "lost");
    this.commands.push(args.map(String).join(" "));
    const reply = this.#run(name, key, value);
    if (this.isFrozen) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return reply;
  }

  #run(name: string, key: string, value: string): EngineReply {
    switch (name) {
      case "GET":
        return this.keys.has(key) ? Buffer.from(this.keys.get(key) ?? "") : null;
      case "PTTL":
        return this.keys.has(key) ? "-1" : "-2";
      case "SET":
        this.set(key, value);
        return "OK";
      case "PING":
        return "PONG";
      case "CLUSTER":
        return key === "NODES" ? this.nodes : this.#info();
      default:
        throw new Error(`the fake upstream does not know ${name}`);
    }
  }

  #info(): string {
    const state = this.isOk ? "ok" : "fail";
    return `cluster_state:${state}\r\ncluster_current_epoch:${this.currentEpoch}\r\ncluster_size:2\r\ncluster_known_nodes:4\r\n`;
  }

  get target(): Target {
    return {
      id: this.id,
      server: { host: this.id, port: 1 },
      send: (args) => this.answer(args),
      transact: () => Promise.reject(new UnreachableError("no transactions", "not run")),
    };
  }

  link(events: LinkEvents): Link {
    this.events = events;
    return {
      ask: async (...args) => String(await this.answer(args)),
      hosts: async () => this.hosts,
      close: () => {},
    };
  }
}

/** An engine whose commands all go to the server that `current` returns. */
export function engineOf(current: () => FakeServer): Engine {
  return {
    targetOf: () => current().target,
    targetAt: () => current().target,
    redirected: () => current().target,
    close: () => {},
  };
}

/** Lets all promises that are ready go on. */
export async function settle(): Promise<void> {
  for (let n = 0; n < 20; n++) await Promise.resolve();
}
