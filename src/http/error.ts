// Errors of the HTTP API: a status, and a message that says what is wrong and what would be right.

import type { RejectionReason } from "../security/rejections.ts";
import { JSON_HEADERS } from "./headers.ts";

export interface HttpErrorOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly reason?: RejectionReason<"http"> | undefined;
}

/** Makes the response of an error, and counts the error if it has a reason. */
export type Reject = (error: HttpError) => Response;

export class HttpError {
  readonly status: number;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The counter of the error, if it is counted. */
  readonly reason: RejectionReason<"http"> | undefined;

  constructor(status: number, message: string, more: HttpErrorOptions = {}) {
    this.status = status;
    this.message = message;
    this.headers = more.headers ?? {};
    this.reason = more.reason;
  }

  /** The same error, with the progress of the request in its message. */
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

const RETRY_SOON = { "retry-after": "1" };

/** The error of requests for entries while the event loop is late. */
export const OVERLOADED = new HttpError(503, "overloaded; retry in 1 s", {
  reason: "overload",
  headers: RETRY_SOON,
});
/** The error of a body or response that finds no room in the byte budget. */
export const BUDGET_EXCEEDED = new HttpError(
  503,
  "too many bytes of requests and responses are in flight, the limit set by --max-pending-bytes; retry in 1 s",
  { reason: "pending_bodies", headers: RETRY_SOON },
);
/** The error of each request while the snapshot is loaded, but for the routes with `whileLoading`. */
export const LOADING = new HttpError(503, "loading", { headers: RETRY_SOON });
/** The error of each request while the service stops. */
export const STOPPING = new HttpError(503, "stopping", { headers: { connection: "close" } });

/** The error of a body or response of more than --max-body-bytes. */
export function sizeError(part: "body" | "answer", maxBodyBytes: number): HttpError {
  const limit = `${maxBodyBytes} bytes, the limit set by --max-body-bytes`;
  return new HttpError(413, `the ${part} is larger than ${limit}`, { reason: "body_size" });
}
