// The commands of the Redis port, as /redis needs them. The process connects the two protocols, which
// do not import each other.

import type { Access } from "../security/tokens.ts";

export interface RedisRequest {
  /** Each command with its arguments. */
  readonly commands: readonly (readonly Buffer[])[];
  readonly isTransaction: boolean;
  /** How strings of the results are written. */
  readonly encoding: "text" | "base64";
  /** Access of the client. */
  readonly access: Access;
  readonly address: string;
}

export interface RedisCommands {
  /** Returns the outcome of each command as JSON; of a transaction that is discarded, only its error. */
  run(request: RedisRequest): Promise<string[]>;
}
