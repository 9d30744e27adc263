// The parts of a worker with --upstream. Imported only then.

import { createUpstreamHandlers } from "../http/upstream/handlers.ts";
import type { CreateUpstreamHandlers } from "../http/upstream-api.ts";
import type { UpstreamSource } from "../metrics/metric.ts";
import { upstreamSource } from "../metrics/upstream.ts";
import type { UpstreamCommands } from "../resp/commands/context.ts";
import { createUpstreamCommands } from "../resp/commands/upstream.ts";
import type { UpstreamSecrets } from "../security/credentials.ts";
import { Upstream, type UpstreamParts } from "../upstream/upstream.ts";

export class UpstreamNode {
  readonly #upstream: Upstream;
  readonly commands: UpstreamCommands;
  readonly source: UpstreamSource;

  constructor(parts: UpstreamParts) {
    const upstream = new Upstream(parts);
    const { stats, trust } = upstream;
    this.#upstream = upstream;
    this.commands = createUpstreamCommands(upstream);
    this.source = upstreamSource({ stats, trust, cache: parts.cache });
  }

  readonly createHandlers: CreateUpstreamHandlers = (parts) =>
    createUpstreamHandlers(this.#upstream, parts);

  /** Connects in the background. */
  start(secrets: UpstreamSecrets): void {
    void this.#upstream.start(secrets);
  }

  stop(): void {
    this.#upstream.stop();
  }
}
