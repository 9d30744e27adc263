// The commands of the Redis port, as /redis needs them. The process connects the two protocols, which
// do not import each other.

import type { Access } from "../security/tokens.ts";

export type RedisArgument = string | number | boolean;

export interface RedisRequest {
  /** Each command with its arguments. */
  readonly commands: readonly (readonly RedisArgument[])[];
  readonly isTransaction: boolean;
  /** How strings of the results are written. */
  readonly encoding: "text" | "base64";
  /** Access of the client. */
  readonly access: Access;
  readonly address: string;
}

export interface RedisResults {
  /** The outcome of each command as JSON; of a transaction that is discarded, only its error. */
  readonly results: readonly string[];
  /** Bytes that the results have claimed in the budget of the service. The caller releases them. */
  readonly bytes: number;
}

export interface RedisCommands {
  /** Runs the commands. Returns a promise only if they have to wait. */
  run(request: RedisRequest): RedisResults | Promise<RedisResults>;
}
