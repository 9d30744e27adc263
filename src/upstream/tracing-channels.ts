// A gap of the runtime that costs the client of the upstream a third of its time.

import { tracingChannel } from "node:diagnostics_channel";

type Channel = { readonly hasSubscribers: boolean };
type Channels = Readonly<Record<"start" | "end" | "asyncStart" | "asyncEnd" | "error", Channel>>;

/**
 * Adds `hasSubscribers` of Node.js 22 to the tracing channels, which Bun 1.4 leaves out. @redis/client reads it for
 * each command; without it, it describes every command to no subscriber, through two more promises.
 */
export function completeTracingChannels(): void {
  const prototype: object = Object.getPrototypeOf(tracingChannel("ringcache"));
  if ("hasSubscribers" in prototype) return;
  Object.defineProperty(prototype, "hasSubscribers", {
    configurable: true,
    get(this: Channels): boolean {
      const { start, end, asyncStart, asyncEnd, error } = this;
      return (
        start.hasSubscribers ||
        end.hasSubscribers ||
        asyncStart.hasSubscribers ||
        asyncEnd.hasSubscribers ||
        error.hasSubscribers
      );
    },
  });
}
