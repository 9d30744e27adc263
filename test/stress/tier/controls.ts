// One small world for each rule of the near cache: an engine in this process whose answers arrive when the
// scenario says so. With the rule, a read is right; without it, the same steps must give the old value.

import { Cache, ByteBuffer, fitOptions, MISS } from "../../../src/cache/cache.ts";
import { cacheOptionsOf, readConfig } from "../../../src/config/config.ts";
import { allocateSharedState } from "../../../src/process/shared-state.ts";
import type { Engine, EngineReply, Target } from "../../../src/upstream/engine.ts";
import { allocateUpstream } from "../../../src/upstream/memory.ts";
import { type LinkEvents, Tracker } from "../../../src/upstream/tracker.ts";
import { Upstream } from "../../../src/upstream/upstream.ts";
import { MAX_STALE_MS } from "./nodes.ts";
import { type Rule, RULES } from "./rules.ts";

const KEY = "k";
const ID = "the tracked process";

/** A node's worker and Tracker, and the one server in front of which it stands. */
class World {
  readonly upstream: Upstream;
  readonly cache: Cache;
  value = "old";
  /** The identity of the server that answers. */
  answerer = ID;
  /** GETs that wait for `release`; undefined: they are answered at once. */
  held: (() => void)[] | undefined;
  link: LinkEvents | undefined;
  readonly #tracker: Tracker;

  constructor() {
    const config = readConfig(["--upstream", "127.0.0.1:1", "--workers", "1"], {});
    const options = fitOptions({ ...cacheOptionsOf(config), memoryBytes: 2 ** 26 });
    const state = allocateSharedState(config, options);
    this.cache = new Cache(options, state.cache, 0);
    this.upstream = new Upstream({
      ...{ config, cache: this.cache, thread: 0, memory: allocateUpstream(1) },
    });
    const { trust } = this.upstream;
    this.#tracker = new Tracker({
      ...{ trust, seeds: [{ host: "127.0.0.1", port: 1 }], maxStaleMs: MAX_STALE_MS },
      now: () => this.cache.clock.now(),
      open: (_server, events) => {
        this.link = events;
        return { ask: async () => "PONG", hosts: async () => new Map(), close() {} };
      },
      probe: async () => ({ isCluster: false, nodes: "", hosts: new Map() }),
      invalidate: () => {},
      events: { flushed() {}, topologyChanged() {}, trustChanged() {}, unreachable() {} },
    });
  }

  /** Resolves once the node trusts the server. */
  async start(): Promise<void> {
    this.#tracker.tick();
    await turns();
    this.link?.up(ID);
    await turns();
    const target: Target = {
      id: this.answerer,
      server: { host: "127.0.0.1", port: 1 },
      send: (args) => this.#answer(String(args[0])),
      transact: async (commands) => commands.map(() => "OK"),
    };
    const engine: Engine = {
      targetOf: () => target,
      targetAt: () => target,
      redirected: () => target,
      close() {},
    };
    this.upstream.useEngine(engine);
  }

  load(): Promise<string> {
    return this.upstream.load(ByteBuffer.ofText(KEY), true).then(String);
  }

  async write(value: string): Promise<void> {
    this.value = value;
    const key = ByteBuffer.ofText(KEY);
    await this.upstream.send("write", key, ["SET", KEY, value], [key]);
  }

  /** Returns the near value, or undefined: a read would ask the server. */
  near(afterMs = 0): string | undefined {
    const into = new ByteBuffer(64);
    const length = this.upstream.read(
      ByteBuffer.ofText(KEY),
      this.cache.clock.now() + afterMs,
      into,
    );
    return length === MISS ? undefined : into.bytes.toString("latin1", 0, length);
  }

  release(): void {
    for (const answer of this.held ?? []) answer();
    this.held = undefined;
  }

  async #answer(command: string): Promise<EngineReply> {
    if (command === "PTTL") return "-1";
    if (command !== "GET") return "OK";
    // The server has read the value; the answer is on its way.
    const reply = Buffer.from(this.value);
    const { held } = this;
    if (held !== undefined) await new Promise<void>((resolve) => void held.push(resolve));
    return reply;
  }
}

export interface Control {
  readonly name: string;
  /** Takes the rule away. */
  readonly breakRule: (world: World) => void;
  /** Resolves with the value that a client reads at last. The server has "new". */
  readonly run: (world: World) => Promise<string>;
}

const without = (rule: Rule) => (world: World) => {
  RULES[rule]({ trust: world.upstream.trust, upstream: world.upstream });
};

export const CONTROLS: readonly Control[] = [
  {
    name: "no version check",
    breakRule: without("no version check"),
    async run(world) {
      world.held = [];
      const load = world.load();
      await world.write("new");
      world.release();
      await load;
      return world.near() ?? (await world.load());
    },
  },
  {
    name: "no flush",
    breakRule: without("no flush"),
    async run(world) {
      await world.load();
      world.link?.down("a test");
      // Another client writes while nothing is reported.
      world.value = "new";
      world.link?.up(ID);
      await turns();
      return world.near() ?? (await world.load());
    },
  },
  {
    name: "join any flight",
    breakRule: without("join any flight"),
    async run(world) {
      world.held = [];
      const early = world.load();
      await world.write("new");
      const { held } = world;
      world.held = undefined;
      const late = world.load();
      for (const answer of held) answer();
      await early;
      return await late;
    },
  },
  {
    name: "no beats",
    breakRule(world) {
      without("no beats")(world);
      world.upstream.trust.trustUntil(0, 0);
    },
    async run(world) {
      await world.load();
      // The connection is silent, so neither a change nor a beat arrives.
      world.value = "new";
      return world.near(MAX_STALE_MS) ?? (await world.load());
    },
  },
  {
    name: "a load that another server answered",
    breakRule(world) {
      world.upstream.trust.idOf = () => world.answerer;
    },
    async run(world) {
      world.answerer = "a primary that was frozen";
      await world.start();
      await world.load();
      world.value = "new";
      return world.near() ?? (await world.load());
    },
  },
];

/** Runs the steps of a control; resolves with the value that is read at last. */
export async function runControl(control: Control, isBroken: boolean): Promise<string> {
  const world = new World();
  await world.start();
  if (isBroken) control.breakRule(world);
  return await control.run(world);
}

/** Lets pending promises run. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
