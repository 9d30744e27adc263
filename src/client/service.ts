// Requests of the client: each ends after the timeout. After a failure, `isPaused` is true for a time
// that doubles with each failure, so that a service that is down costs its callers nothing.

import type { ConnectOptions } from "./types.ts";

const FIRST_PAUSE_MS = 100;
const PAUSE_MS_MAX = 10_000;

/** The service responded with an error. `status` is 0 if it did not respond. */
export class CacheError extends Error {
  override readonly name = "CacheError";
  readonly status: number;

  constructor(message: string, status: number, cause?: unknown) {
    super(message, { cause });
    this.status = status;
  }
}

export interface ServiceRequest {
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Used in place of the timeout. */
  readonly timeoutMs?: number | undefined;
  /** Statuses that are no error, beside 200 to 299. */
  readonly accepts?: readonly number[];
}

export interface ServiceResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

export class Service {
  readonly timeoutMs: number;
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #fetch: NonNullable<ConnectOptions["fetch"]>;
  #failures = 0;
  #retryAtMs = 0;
  /** Until then one caller tries whether the service is back. */
  #triedUntilMs = 0;

  constructor(url: string | URL, { token, timeout = 1, fetch }: ConnectOptions) {
    this.timeoutMs = timeout * 1000;
    this.#url = String(url).replace(/\/+$/, "");
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    this.#fetch = fetch ?? ((target, init) => globalThis.fetch(target, init));
  }

  /** Whether the service failed and is not to be asked yet. After a pause, one caller gets false and tries it. */
  isPaused(): boolean {
    if (this.#failures === 0) return false;
    const nowMs = Date.now();
    if (nowMs < this.#retryAtMs || nowMs < this.#triedUntilMs) return true;
    this.#triedUntilMs = nowMs + this.timeoutMs;
    return false;
  }

  /** Resolves with an accepted response; rejects with a CacheError, or with the reason of the signal. */
  async request(
    method: string,
    path: string,
    { headers = {}, body, signal, accepts = [], timeoutMs }: ServiceRequest = {},
  ): Promise<ServiceResponse> {
    const timeout = AbortSignal.timeout(timeoutMs ?? this.timeoutMs);
    const startMs = Date.now();
    try {
      const response = await this.#fetch(this.#url + path, {
        ...NO_STORE,
        method,
        headers: { ...this.#headers, ...headers },
        // A view of any buffer is a body, whatever the type of the runtime says.
        body: (body ?? null) as NonNullable<RequestInit["body"]> | null,
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      });
      const bytes = new Uint8Array(await response.arrayBuffer());
      const { status } = response;
      if (!response.ok && !accepts.includes(status)) {
        throw new CacheError(
          `${method} ${path}: ${status} ${new TextDecoder().decode(bytes)}`,
          status,
        );
      }
      this.#failures = 0;
      return { status, headers: response.headers, bytes };
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (error instanceof CacheError && error.status < 500) this.#failures = 0;
      else this.#pause(startMs);
      if (error instanceof CacheError) throw error;
      throw new CacheError(`${method} ${path}: ${String(error)}`, 0, error);
    }
  }

  /** Requests that began before the last pause was over have failed with it, and do not count again. */
  #pause(startMs: number): void {
    if (startMs < this.#retryAtMs) return;
    const pauseMs = Math.min(PAUSE_MS_MAX, FIRST_PAUSE_MS * 2 ** this.#failures++);
    // Spread, so that many processes do not ask together.
    this.#retryAtMs = Date.now() + pauseMs * (0.5 + Math.random() / 2);
    this.#triedUntilMs = 0;
  }
}

/** A browser keeps no copy of its own. A runtime that does not know the option has none. */
const NO_STORE = noStore();

function noStore(): RequestInit {
  try {
    const init = { cache: "no-store" } as RequestInit;
    new Request("http://localhost", init);
    return init;
  } catch {
    return {};
  }
}
