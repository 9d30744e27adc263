// What a node of the tests does otherwise than the service: loads that take longer, and rules of the near
// cache that are missing. A control replaces a rule from outside, so the service has no switch for it.

import { Socket } from "node:net";
import { isMainThread } from "node:worker_threads";

import { createClient } from "@redis/client";

import { Trust } from "../../../src/upstream/trust.ts";
import { Upstream } from "../../../src/upstream/upstream.ts";

/** Longest delay of the answer of a load. */
const DELAY_MS_MAX = 20;

/** What a rule is taken from: the classes' prototypes for a whole thread, or objects. */
export interface Parts {
  readonly trust: Pick<Trust, "staleness" | "raiseEpoch" | "loseConnection" | "trustUntil">;
  readonly upstream: Pick<Upstream, "load">;
}

const EVERYWHERE: Parts = { trust: Trust.prototype, upstream: Upstream.prototype };

export const RULES = {
  /** The answers of GET and PTTL take up to 20 ms longer. */
  delay: delayLoads,
  /** Control 1: a load fills whatever has changed since it was sent. */
  "no version check": ({ trust }) => {
    trust.staleness = () => undefined;
  },
  /** Control 2: near values outlive the connection that reports their changes. */
  "no flush": ({ trust }) => {
    trust.raiseEpoch = () => {};
    trust.loseConnection = () => {};
  },
  /** Control 3: a load joins any load of the key that is in flight. */
  "join any flight": joinAnyFlight,
  /** Control 4: a primary is trusted for ever, and a silent connection is not found. */
  "no beats": ({ trust }) => {
    const { trustUntil } = Trust.prototype;
    trust.trustUntil = function (this: Trust, primary) {
      trustUntil.call(this, primary, Number.POSITIVE_INFINITY);
    };
    if (!isMainThread || trust !== Trust.prototype) return;
    Socket.prototype.setTimeout = function () {
      return this;
    };
  },
} as const satisfies Record<string, (parts: Parts) => void>;
export type Rule = keyof typeof RULES;

/** The variable that names the rules of a node, separated by commas. */
export const RULES_VARIABLE = "TIER_TEST_RULES";

/** Applies the rules of this process to this thread. Before the service starts. */
export function applyRules(): void {
  const names = process.env[RULES_VARIABLE] ?? "";
  for (const name of names.split(",").filter(Boolean)) RULES[name as Rule](EVERYWHERE);
}

interface Sender {
  sendCommand(args: readonly unknown[], options?: unknown): Promise<unknown>;
}

function delayLoads(): void {
  let prototype: unknown = createClient();
  while (!Object.hasOwn(prototype as object, "sendCommand")) {
    prototype = Object.getPrototypeOf(prototype);
  }
  const sender = prototype as Sender;
  const { sendCommand } = sender;
  sender.sendCommand = async function (args, options) {
    const reply = await sendCommand.call(this, args, options);
    const isLoad = args[0] === "GET" || args[0] === "PTTL";
    if (isLoad) await Bun.sleep(Math.random() * DELAY_MS_MAX);
    return reply;
  };
}

function joinAnyFlight({ upstream }: Parts): void {
  const flights = new Map<string, ReturnType<Upstream["load"]>>();
  const { load } = Upstream.prototype;
  upstream.load = function (this: Upstream, key, joins) {
    const name = Buffer.from(key.bytes.subarray(key.start, key.end)).toString("latin1");
    const flight = flights.get(name);
    if (flight !== undefined) return flight;
    const value = load.call(this, key, joins);
    flights.set(name, value);
    const end = () => void flights.delete(name);
    value.then(end, end);
    return value;
  };
}
