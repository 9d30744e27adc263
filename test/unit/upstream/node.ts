// One worker and a Tracker over two fake servers, for tests.

import { ByteBuffer, Cache, MISS } from "../../../src/cache/cache.ts";
import { type Config, readConfig } from "../../../src/config/config.ts";
import { allocateUpstream } from "../../../src/upstream/memory.ts";
import { SLOTS } from "../../../src/upstream/slots.ts";
import { Tracker } from "../../../src/upstream/tracker.ts";
import { Upstream } from "../../../src/upstream/upstream.ts";
import { engineOf, FakeServer, settle } from "./fake.ts";

export const MAX_STALE_MS = 1000;

/** One worker and a Tracker over two fake servers, with a clock of its own. */
export class Node {
  nowMs = 1_000_000;
  readonly servers = [new FakeServer("a"), new FakeServer("b")] as const;
  readonly memory = allocateUpstream(1);
  readonly config: Config;
  readonly cache: Cache;
  readonly upstream: Upstream;
  readonly tracker: Tracker;
  readonly log: string[] = [];
  /** The server that this worker's client sends to. */
  current: FakeServer;

  constructor(isCluster: boolean, options: readonly string[]) {
    const own = ["--upstream", "a:1,b:2", "--workers", "1"];
    const config = readConfig([...own, ...options], {});
    const { memory } = this;
    this.config = config;
    this.cache = Cache.create({ memoryBytes: 2 ** 21 });
    Object.defineProperty(this.cache.clock, "now", { value: () => this.nowMs });
    this.upstream = new Upstream({ config, cache: this.cache, thread: 0, memory });
    const [first] = this.servers;
    this.current = first;
    this.upstream.useEngine(engineOf(() => this.current));
    this.listNodes(SLOTS);
    this.tracker = new Tracker({
      trust: this.upstream.trust,
      seeds: [{ host: "a", port: 1 }],
      maxStaleMs: MAX_STALE_MS,
      now: () => this.nowMs,
      open: ({ host }, events) => this.serverAt(host).link(events),
      probe: async () => ({ isCluster, nodes: first.nodes, hosts: first.hosts }),
      invalidate: (key) => this.upstream.invalidate({ bytes: key, start: 0, end: key.length }),
      events: {
        flushed: (reason) => this.log.push(`flushed ${reason}`),
        topologyChanged: () => {},
        trustChanged: (address, isTrusted) =>
          this.log.push(`${address} ${isTrusted ? "trusted" : "not trusted"}`),
        unreachable: (reason) => this.log.push(`unreachable ${reason}`),
      },
    });
  }

  /** Returns a node whose primaries are tracked and trusted. */
  static async ready(isCluster = true, ...options: string[]): Promise<Node> {
    const node = new Node(isCluster, options);
    node.tracker.tick();
    await settle();
    for (const server of node.servers) server.connect();
    await settle();
    await node.beat();
    return node;
  }

  serverAt(host: string): FakeServer {
    return host === "a" ? this.servers[0] : this.servers[1];
  }

  /** Server a gets the slots below `end`, server b the others. */
  listNodes(end: number): void {
    const [a, b] = this.servers;
    const range = (from: number, to: number) => (from < to ? `${from}-${to - 1}` : "");
    const text =
      `${a.id} a:1@11 myself,master - 0 0 1 connected ${range(0, end)}\n` +
      `${b.id} b:2@12 master - 0 0 2 connected ${range(end, SLOTS)}\n`;
    for (const server of this.servers) server.nodes = text;
  }

  async beat(): Promise<void> {
    this.tracker.tick();
    await settle();
  }

  near(key: string): string | undefined {
    const into = new ByteBuffer();
    const length = this.upstream.read(ByteBuffer.ofText(key), this.nowMs, into);
    return length === MISS ? undefined : into.toText();
  }

  stale(key: string): string | undefined {
    const into = new ByteBuffer();
    const length = this.upstream.readStale(ByteBuffer.ofText(key), into);
    return length === MISS ? undefined : into.toText();
  }

  async load(key: string, joins = true): Promise<string | null> {
    const value = await this.upstream.load(ByteBuffer.ofText(key), joins);
    return value === null ? null : value.toString();
  }
}
