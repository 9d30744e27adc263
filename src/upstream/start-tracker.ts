// Starts the Tracker on the supervisor's thread. Imported only with --upstream.

import type { Cache } from "../cache/cache.ts";
import { nearPrefixes, readUpstream } from "../config/upstream.ts";
import type { Config } from "../config/config.ts";
import type { Logger } from "../service/logger.ts";
import type { UpstreamSecrets } from "../security/credentials.ts";
import type { UpstreamSettings } from "./client-options.ts";
import { NearCache } from "./near.ts";
import { UpstreamStats } from "./stats.ts";
import type { UpstreamMemory } from "./memory.ts";
export { allocateUpstream } from "./memory.ts";
import { Tracker } from "./tracker.ts";
import { completeTracingChannels } from "./tracing-channels.ts";
import { openLink, probe } from "./tracking-link.ts";
import { Trust } from "./trust.ts";

/** `cache` is the supervisor's own attachment, with the thread number `config.workers`. */
export function startTracker(
  {
    config,
    cache,
    secrets,
    logger,
  }: {
    readonly config: Config;
    readonly cache: Cache;
    readonly secrets: UpstreamSecrets;
    readonly logger: Logger;
  },
  memory: UpstreamMemory,
): Tracker {
  completeTracingChannels();
  const address = readUpstream(config.upstream);
  const settings: UpstreamSettings = { config, address, secrets };
  const prefixes = nearPrefixes(config.nearPrefix);
  const trust = new Trust(memory.trust);
  const stats = new UpstreamStats(memory.stats, config.workers);
  const near = new NearCache(cache, trust, stats, prefixes, config.nearTtl * 1000);
  const tracker = new Tracker({
    trust,
    seeds: address.seeds,
    maxStaleMs: config.nearMaxStale * 1000,
    now: () => cache.clock.now(),
    open: (server, events) => openLink(settings, prefixes, server, events),
    probe: (server) => probe(settings, server),
    invalidate: (key) => {
      near.invalidateInTime({ bytes: key, start: 0, end: key.length });
      stats.add("invalidations");
    },
    events: {
      flushed: (reason) => stats.add(`flushes.${reason}`),
      topologyChanged: () => stats.add("topologyChanges"),
      trustChanged(primary, isTrusted, reason) {
        if (isTrusted) logger.info("upstream trusted", { primary });
        else logger.warn("upstream not trusted", { primary, reason });
      },
      unreachable: (reason) => logger.error("upstream unreachable", { reason }),
    },
  });
  cache.warmUp();
  tracker.start();
  return tracker;
}
