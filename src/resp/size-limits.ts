// Counts and reports connections that exceed a limit of their bytes, and names the option of the limit.

import type { Config } from "../config/config.ts";
import type { RejectionReason } from "../security/rejections.ts";
import type { Service } from "../service/service.ts";
import { NO_ROOM } from "./commands/failure.ts";
import type { Settings } from "./config-parameters.ts";
import type { Connection } from "./connection.ts";
import type { RespCounters } from "./counters.ts";
import type { RespEvents, SizeOption } from "./events.ts";
import type { InFlight } from "./in-flight.ts";
import type { Excess } from "./input.ts";
import type { Refused } from "./output.ts";

interface Parts {
  readonly config: Config;
  readonly service: Service;
  readonly settings: Settings;
  readonly counters: RespCounters;
  readonly events: RespEvents;
}

export class SizeLimits {
  readonly #parts: Parts;
  readonly #inFlight: InFlight;

  constructor(parts: Parts, inFlight: InFlight) {
    this.#parts = parts;
    this.#inFlight = inFlight;
  }

  /** Closes a connection that does not read its replies. */
  readonly closeSlow = (connection: Connection, reason: Refused, option?: SizeOption): void => {
    this.overOutput(connection, reason, option);
    connection.socket.terminate();
  };

  /** Reports a connection that closes because its replies are too long or not read. */
  overOutput(connection: Connection, reason: Refused, option?: SizeOption): void {
    const { config, counters } = this.#parts;
    const isPending =
      reason === "pending_bytes" || this.#inFlight.limitBytes < config.respOutputLimit;
    counters.add("outputLimitCloses", 1);
    const ofReply = isPending ? "--max-pending-bytes" : "--resp-output-limit";
    this.#report(connection, reason, option ?? ofReply);
  }

  /** Reports a connection that closes because of bytes that it has sent. Returns the error for the client. */
  overInput(connection: Connection, excess: Excess, limitBytes: number): string {
    const { settings, counters } = this.#parts;
    const isPending = excess === "pending_bytes" || this.#inFlight.limitBytes < settings.queryLimit;
    const option = isPending ? "--max-pending-bytes" : "--resp-query-limit";
    counters.add("queryLimitCloses", 1);
    this.#report(connection, excess === "pending_bytes" ? excess : "command_size", option);
    return {
      untrusted: "ERR Protocol error: unauthenticated command is too long",
      command_size: `ERR Protocol error: the command is longer than ${option} (${limitBytes} bytes)`,
      pending_bytes: NO_ROOM,
    }[excess];
  }

  #report(connection: Connection, reason: RejectionReason<"resp">, option: SizeOption): void {
    this.#parts.service.rejections.add("resp", reason);
    this.#parts.events.overLimit(connection.address, option);
  }
}
