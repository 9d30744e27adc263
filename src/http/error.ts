// Errors of the HTTP API: a status, and a message that says what is wrong and what would be right.

import type { RefusalReason } from "../security/rejections.ts";
import { JSON_HEADERS } from "./headers.ts";

export interface RefusalOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly reason?: RefusalReason<"http"> | undefined;
}

/** Makes answers of refusals, and counts those that have a reason. */
export type Refuse = (refusal: Refusal) => Response;

/** Why a request is refused: what is wrong, and what would be right. */
export class Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
  /** What it is counted as, if it is. */
  readonly reason: RefusalReason<"http"> | undefined;

  constructor(status: number, message: string, more: RefusalOptions = {}) {
    this.status = status;
    this.message = message;
    this.headers = more.headers ?? {};
    this.reason = more.reason;
  }

  /** The same, and how far the request had come. */
  after(progress: string): Refusal {
    return new Refusal(this.status, `${this.message}; ${progress}`, this);
  }

  toResponse(): Response {
    const body = JSON.stringify({ status: "ERROR", message: this.message });
    return new Response(body, {
      status: this.status,
      headers: { ...JSON_HEADERS, ...this.headers },
    });
  }
}

/** Every call on entries while the event loop is late. */
export const OVERLOADED = new Refusal(503, "overloaded; come again in a second", {
  reason: "overload",
  headers: { "retry-after": "1" },
});
/** A body or an answer that finds no room among those that are on their way. */
export const TOO_MANY_PENDING = new Refusal(
  503,
  "too many bytes are on their way, the limit set by --max-pending-bytes; come again in a second",
  { reason: "pending_bodies", headers: { "retry-after": "1" } },
);

/** Every request while the cache is loaded, but for the routes that answer as ever. */
export const LOADING = new Refusal(503, "loading", { headers: { "retry-after": "1" } });
/** Every request while the service stops. */
export const STOPPING = new Refusal(503, "stopping", { headers: { connection: "close" } });
