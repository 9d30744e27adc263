// The options of all connections to the upstream. Imported only with --upstream: it loads @redis/client.

import { type RedisClientOptions, RESP_TYPES } from "@redis/client";

import type { Config } from "../config/config.ts";
import type { Seed, UpstreamAddress } from "../config/upstream.ts";
import type { UpstreamSecrets } from "../security/credentials.ts";
import { BEATS } from "./tracker.ts";

export interface UpstreamSettings {
  readonly config: Config;
  readonly address: UpstreamAddress;
  readonly secrets: UpstreamSecrets;
}

/** Time between two attempts to connect. The default of the client waits longer and longer. */
const RECONNECT_MS = 100;

/**
 * How replies are decoded: strings as Buffers, integers as text, since they may have 64 bits. `timeout` 0:
 * the client's own timeout ends when a command is written, and makes an AbortSignal for each command.
 */
export const REPLY_OPTIONS = {
  timeout: 0,
  typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer, [RESP_TYPES.NUMBER]: String },
} as const;

/**
 * Returns the options of one connection. A command to a frozen server ends with the socket: after
 * --upstream-timeout without a byte. The ping keeps a connection at rest open, and finds a frozen server.
 */
export function clientOptions({ config, address, secrets }: UpstreamSettings, server?: Seed) {
  const timeoutMs = config.upstreamTimeout * 1000;
  const tls = address.usesTls
    ? { tls: true as const, ...(secrets.ca === "" ? {} : { ca: secrets.ca }) }
    : {};
  return {
    ...(address.user === "" ? {} : { username: address.user }),
    ...(secrets.password === "" ? {} : { password: secrets.password }),
    disableOfflineQueue: true,
    maintNotifications: "disabled" as const,
    pingInterval: Math.min(config.nearMaxStale * 1000, timeoutMs) / BEATS,
    commandOptions: { timeout: 0 },
    socket: {
      ...(server === undefined ? {} : { host: server.host, port: server.port }),
      ...tls,
      connectTimeout: timeoutMs / 2,
      socketTimeout: timeoutMs,
      reconnectStrategy: () => RECONNECT_MS,
    },
  } satisfies RedisClientOptions;
}
