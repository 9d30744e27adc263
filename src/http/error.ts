// Errors of the HTTP API: a status, and a message that says what is wrong and what would be right.

import type { RejectionReason } from "../security/rejections.ts";
import { JSON_HEADERS } from "./headers.ts";

export interface HttpErrorOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly reason?: RejectionReason<"http"> | undefined;
}

/** Makes answers of refusals, and counts those that have a reason. */
export type Reject = (httpError: HttpError) => Response;

/** Why a request is refused: what is wrong, and what would be right. */
export class HttpError {
  readonly status: number;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
  /** What it is counted as, if it is. */
  readonly reason: RejectionReason<"http"> | undefined;

  constructor(status: number, message: string, more: HttpErrorOptions = {}) {
    this.status = status;
    this.message = message;
    this.headers = more.headers ?? {};
    this.reason = more.reason;
  }

  /** The same, and how far the request had come. */
  after(progress: string): HttpError {
    return new HttpError(this.status, `${this.message}; ${progress}`, this);
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
export const OVERLOADED = new HttpError(503, "overloaded; come again in a second", {
  reason: "overload",
  headers: { "retry-after": "1" },
});
/** A body or an answer that finds no room among those that are on their way. */
export const BUDGET_EXCEEDED = new HttpError(
  503,
  "too many bytes are on their way, the limit set by --max-pending-bytes; come again in a second",
  { reason: "pending_bodies", headers: { "retry-after": "1" } },
);

/** Every request while the cache is loaded, but for the routes that answer as ever. */
export const LOADING = new HttpError(503, "loading", { headers: { "retry-after": "1" } });
/** Every request while the service stops. */
export const STOPPING = new HttpError(503, "stopping", { headers: { connection: "close" } });
