// Keeps the table of trust true. One Tracker runs on the supervisor's thread and has one connection to each
// primary, which reports all changes of keys (CLIENT TRACKING in mode BCAST).
//
//   connection up           flush, no trust
//   connection down         epoch + 1, no trust: the near values may be served as stale
//   beat, every D/4         trusted until the time of SENDING + D, if the cluster is in order there
//   topology, every D/4     from a server with the highest epoch; slots that move flush both primaries
//   invalidation of a key   stripe += 1, delete the near value
//   invalidation of all     flush of all primaries
//
// Why a bound follows: a server appends its invalidations to a connection before it answers the writes that
// caused them. So an answered beat proves that all invalidations of writes that were acknowledged before
// the beat was sent have arrived. A connection that is silent for D is not trusted.

import type { Seed } from "../config/upstream.ts";
import type { FlushReason } from "./stats.ts";
import {
  type ClusterInfo,
  type ListedPrimary,
  type PreferredHosts,
  readClusterInfo,
  readClusterNodes,
} from "./topology.ts";
import { NO_PRIMARY, PRIMARIES_MAX, type Trust } from "./trust.ts";
import { SLOTS } from "./slots.ts";

/** Beats within the time for which an answered beat is trusted. */
export const BEATS = 4;

/** A connection to one server. It connects again by itself until it is closed. */
export interface Link {
  /** Sends a command, and resolves with its answer as text. Rejects if the server cannot be reached. */
  ask(...args: string[]): Promise<string>;
  /** Resolves with the hosts at which clients shall reach the primaries with slots. */
  hosts(): Promise<PreferredHosts>;
  close(): void;
}

export interface LinkEvents {
  /** The connection is open, and reports changes from now on. `id`: the name of the server's process. */
  readonly up: (id: string) => void;
  /** The connection is lost: what has changed since is not known. */
  readonly down: (reason: string) => void;
  readonly invalidated: (key: Buffer | null) => void;
}

/** What a seed has answered. */
export interface Found {
  readonly isCluster: boolean;
  /** CLUSTER NODES; "" of a single server. */
  readonly nodes: string;
  readonly hosts: PreferredHosts;
}

/** What the Tracker needs of the world. */
export interface TrackerParts {
  readonly trust: Trust;
  readonly seeds: readonly Seed[];
  /** How long an answered beat is trusted. */
  readonly maxStaleMs: number;
  /** The cache's clock. */
  readonly now: () => number;
  readonly open: (server: Seed, events: LinkEvents) => Link;
  /** Asks a seed without tracking; rejects if it cannot be reached. */
  readonly probe: (server: Seed) => Promise<Found>;
  readonly invalidate: (key: Buffer) => void;
  readonly events: TrackerEvents;
}

export interface TrackerEvents {
  flushed(reason: FlushReason): void;
  topologyChanged(): void;
  /** The trust in a primary has begun or ended. */
  trustChanged(address: string, isTrusted: boolean, reason: string): void;
  unreachable(reason: string): void;
}

interface Primary {
  readonly number: number;
  readonly id: string;
  readonly address: string;
  readonly link: Link;
  isUp: boolean;
  /** Counts the connections: an answer of an earlier one does not count. */
  generation: number;
  isBeating: boolean;
  info: ClusterInfo | undefined;
  /** Why it is not trusted. */
  reason: string;
  wasTrusted: boolean;
}

export class Tracker {
  readonly #parts: TrackerParts;
  readonly #primaries = new Map<string, Primary>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #isDiscovering = false;
  #isAskingNodes = false;
  #shape = "";
  /** The list that was applied last. */
  #listed = "";
  #wasUnreachable = false;

  constructor(parts: TrackerParts) {
    this.#parts = parts;
  }

  /** Begins to look for the upstream. A failure is tried again. */
  start(): void {
    this.#timer = setInterval(() => this.tick(), this.#parts.maxStaleMs / BEATS);
    this.tick();
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const primary of this.#primaries.values()) primary.link.close();
    this.#primaries.clear();
  }

  /** One round of beats. Public for tests, which call it instead of the timer. */
  tick(): void {
    const { trust } = this.#parts;
    if (![...this.#primaries.values()].some(({ isUp }) => isUp)) void this.#discover();
    for (const primary of this.#primaries.values()) {
      if (primary.isUp && !primary.isBeating) void this.#beat(primary);
    }
    if (trust.mode === "cluster") void this.#askNodes();
    this.#reportTrust();
    this.#countCovered();
  }

  async #beat(primary: Primary): Promise<void> {
    const { trust, now, maxStaleMs } = this.#parts;
    const { generation } = primary;
    const isCluster = trust.mode === "cluster";
    primary.isBeating = true;
    const sentMs = now();
    try {
      const answer = await (isCluster
        ? primary.link.ask("CLUSTER", "INFO")
        : primary.link.ask("PING"));
      // Another connection: its changes are not covered by this beat.
      if (primary.generation !== generation || !primary.isUp) return;
      if (isCluster) primary.info = readClusterInfo(answer);
      trust.recordBeat(primary.number, sentMs);
      const reason = isCluster ? this.#distrustOf(primary) : "";
      primary.reason = reason;
      trust.trustUntil(primary.number, reason === "" ? sentMs + maxStaleMs : 0);
      if (primary.info !== undefined && primary.info.shape !== this.#shape) void this.#askNodes();
    } catch (error) {
      primary.reason = `no answer: ${messageOf(error)}`;
    } finally {
      primary.isBeating = false;
      this.#reportTrust();
    }
  }

  /** Returns why this server's state of the cluster does not count; "" if it does. */
  #distrustOf({ info }: Primary): string {
    if (info === undefined || !info.isOk) return "cluster_state is not ok there";
    return info.currentEpoch < this.#highestEpoch() ? "another primary has a higher epoch" : "";
  }

  #highestEpoch(): number {
    let highest = 0;
    for (const { isUp, info } of this.#primaries.values()) {
      if (isUp && info !== undefined) highest = Math.max(highest, info.currentEpoch);
    }
    return highest;
  }

  /** Asks a server with the highest epoch for the topology. */
  async #askNodes(): Promise<void> {
    if (this.#isAskingNodes) return;
    const highest = this.#highestEpoch();
    const asked = [...this.#primaries.values()].find(
      ({ isUp, info }) => isUp && info?.isOk === true && info.currentEpoch === highest,
    );
    if (asked?.info === undefined) return;
    const { shape } = asked.info;
    this.#isAskingNodes = true;
    try {
      const text = await asked.link.ask("CLUSTER", "NODES");
      // A server that has fallen behind meanwhile would take slots back.
      if (asked.isUp && (asked.info?.currentEpoch ?? 0) >= this.#highestEpoch()) {
        await this.#applyList(readClusterNodes(text), asked);
        this.#shape = shape;
      }
    } catch (error) {
      asked.reason = `no answer: ${messageOf(error)}`;
    } finally {
      this.#isAskingNodes = false;
    }
  }

  /** Looks for the upstream behind the seeds, and behind the primaries that were known. */
  async #discover(): Promise<void> {
    if (this.#isDiscovering) return;
    this.#isDiscovering = true;
    let reason = "";
    try {
      for (const [index, seed] of this.#parts.seeds.entries()) {
        try {
          this.#found(index, seed, await this.#parts.probe(seed));
          this.#wasUnreachable = false;
          return;
        } catch (error) {
          reason = `${seed.host}:${seed.port}: ${messageOf(error)}`;
        }
      }
      if (!this.#wasUnreachable) this.#parts.events.unreachable(reason);
      this.#wasUnreachable = true;
    } finally {
      this.#isDiscovering = false;
    }
  }

  #found(index: number, seed: Seed, { isCluster, nodes, hosts }: Found): void {
    const { trust } = this.#parts;
    const address = `${seed.host}:${seed.port}`;
    // The seed may know less than the server whose list was applied last.
    this.#listed = "";
    if (isCluster) {
      this.#apply(withHosts(readClusterNodes(nodes), hosts), address);
      trust.setMode("cluster", index);
      return;
    }
    const slots = [[0, SLOTS - 1]] as const;
    this.#apply([{ id: address, host: seed.host, port: seed.port, slots }], address);
    trust.setMode("server", index);
  }

  /** Applies a list that differs from the last one. */
  async #applyList(listed: readonly ListedPrimary[], asked: Primary): Promise<void> {
    const text = JSON.stringify(listed);
    if (text === this.#listed) return;
    const hosts = await asked.link.hosts();
    this.#apply(withHosts(listed, hosts), asked.address);
    this.#listed = text;
  }

  /** Tracks the listed primaries and no others, and flushes those whose slots have moved. */
  #apply(listed: readonly ListedPrimary[], askedAddress: string): void {
    const { trust, events } = this.#parts;
    let hasChanged = false;
    const owners = new Uint8Array(SLOTS).fill(NO_PRIMARY);
    const kept = new Set<string>();
    for (const one of listed) {
      const host =
        one.host === "" ? askedAddress.slice(0, askedAddress.lastIndexOf(":")) : one.host;
      const address = `${host}:${one.port}`;
      let primary = this.#primaries.get(one.id);
      if (primary?.address !== address) {
        if (primary !== undefined) this.#drop(primary);
        primary = this.#add(one.id, { host, port: one.port }, address);
        hasChanged = true;
      }
      if (primary === undefined) continue;
      kept.add(one.id);
      for (const [first, last] of one.slots) owners.fill(primary.number, first, last + 1);
    }
    const moved = new Set<number>();
    for (let slot = 0; slot < SLOTS; slot++) {
      const [before, after] = [trust.ownerOf(slot), owners[slot] ?? NO_PRIMARY];
      if (before === after) continue;
      moved.add(before).add(after);
      // A load that is sent from now on has the new owner; one in flight is voided below.
      trust.setOwner(slot, after);
    }
    moved.delete(NO_PRIMARY);
    for (const number of moved) {
      trust.raiseEpoch(number);
      events.flushed("topology");
    }
    for (const primary of this.#primaries.values()) {
      if (kept.has(primary.id)) continue;
      this.#drop(primary);
      hasChanged = true;
    }
    if (hasChanged || moved.size > 0) events.topologyChanged();
    this.#countCovered();
  }

  #add(id: string, server: Seed, address: string): Primary | undefined {
    const { trust, open } = this.#parts;
    const used = new Set([...this.#primaries.values()].map(({ number }) => number));
    let number = 0;
    while (used.has(number)) number++;
    if (number >= PRIMARIES_MAX) return undefined;
    const events: LinkEvents = {
      up: (processId) => this.#up(primary, processId),
      down: (reason) => this.#down(primary, reason),
      invalidated: (key) => this.#invalidated(key),
    };
    trust.trustUntil(number, 0);
    // Of a single server, the name is that of its process, which is known once it is connected.
    trust.setId(number, id, address);
    const primary: Primary = {
      ...{ number, id, address, link: open(server, events), isUp: false, generation: 0 },
      ...{ isBeating: false, info: undefined, reason: "not connected yet", wasTrusted: false },
    };
    this.#primaries.set(id, primary);
    return primary;
  }

  #drop(primary: Primary): void {
    const { trust } = this.#parts;
    this.#primaries.delete(primary.id);
    primary.isUp = false;
    primary.generation++;
    primary.link.close();
    trust.trustUntil(primary.number, 0);
    primary.reason = "it is no primary any more";
    this.#report(primary);
    trust.setId(primary.number, "");
  }

  #up(primary: Primary, processId: string): void {
    const { trust } = this.#parts;
    if (this.#primaries.get(primary.id) !== primary) return;
    // What has changed since the connection was lost is not known.
    this.#begin(primary);
    trust.raiseEpoch(primary.number);
    if (trust.mode !== "cluster" && processId !== "")
      trust.setId(primary.number, processId, primary.address);
    primary.isUp = true;
    void this.#beat(primary);
  }

  #down(primary: Primary, reason: string): void {
    if (!primary.isUp || this.#primaries.get(primary.id) !== primary) return;
    primary.isUp = false;
    primary.info = undefined;
    primary.reason = `connection lost: ${reason}`;
    this.#begin(primary);
    this.#parts.trust.loseConnection(primary.number);
    this.#reportTrust();
    this.#countCovered();
  }

  /** Begins a connection, or the time without one. */
  #begin(primary: Primary): void {
    const { trust, events } = this.#parts;
    primary.generation++;
    trust.trustUntil(primary.number, 0);
    events.flushed("connection");
  }

  #invalidated(key: Buffer | null): void {
    if (key !== null) {
      this.#parts.invalidate(key);
      return;
    }
    this.#parts.trust.raiseAllEpochs();
    this.#parts.events.flushed("flushall");
  }

  #countCovered(): void {
    const { trust } = this.#parts;
    const up = new Set<number>();
    for (const { isUp, number } of this.#primaries.values()) if (isUp) up.add(number);
    let covered = 0;
    for (let slot = 0; slot < SLOTS; slot++) if (up.has(trust.ownerOf(slot))) covered++;
    trust.coveredSlots = covered;
  }

  /** Reports each change of trust once. */
  #reportTrust(): void {
    for (const primary of this.#primaries.values()) this.#report(primary);
  }

  #report(primary: Primary): void {
    const { trust, now, events } = this.#parts;
    const isTrusted = trust.isTrusted(primary.number, now());
    if (isTrusted === primary.wasTrusted) return;
    primary.wasTrusted = isTrusted;
    const reason = isTrusted ? "" : primary.reason || "no beat was answered in time";
    events.trustChanged(primary.address, isTrusted, reason);
  }
}

function withHosts(listed: readonly ListedPrimary[], hosts: PreferredHosts): ListedPrimary[] {
  return listed.map((one) => ({ ...one, host: hosts.get(one.id) ?? one.host }));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
