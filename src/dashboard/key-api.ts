// Requests for keys, over the public HTTP API.

import type { Token } from "./token.ts";

/** Longest time that a response may take, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** A response of the service. An error has `status` "ERROR" and a message. */
export interface KeyResponse {
  readonly status: "OK" | "ERROR";
  readonly message?: string;
}

export interface ValueResponse extends KeyResponse {
  readonly value?: string;
  readonly encoding?: "base64";
}

/** What the service knows of an entry; the units are seconds and bytes. */
export interface FactsResponse extends KeyResponse {
  readonly ttl?: number | null;
  readonly stale?: number;
  readonly bytes?: number;
  readonly memory_bytes?: number | null;
  readonly hits?: number | null;
  readonly age?: number | null;
  readonly tags?: number;
  readonly type?: string | null;
}

/** A key, or its bytes in base64 if they are not text. */
export type ListedKey = string | { readonly key: string; readonly encoding: "base64" };

export interface PageResponse extends KeyResponse {
  readonly keys?: readonly ListedKey[];
  /** Null after the last key. */
  readonly cursor?: string | null;
}

export class KeyApi {
  readonly #token: Token;

  constructor(token: Token) {
    this.#token = token;
  }

  /** GET /entry. */
  facts(key: string): Promise<FactsResponse> {
    return this.#request("GET", `entry?key=${encodeURIComponent(key)}`);
  }

  /** GET /get. */
  get(key: string): Promise<ValueResponse> {
    return this.#request("GET", `get?key=${encodeURIComponent(key)}`);
  }

  /** POST /put. Without `ttlSeconds` the entry gets the service's default TTL. */
  put(key: string, value: string, ttlSeconds?: number): Promise<KeyResponse> {
    const ttl = ttlSeconds === undefined ? {} : { ttl: ttlSeconds };
    return this.#request("POST", "put", JSON.stringify({ key, value, ...ttl }));
  }

  /** DELETE /delete. */
  delete(key: string): Promise<KeyResponse> {
    return this.#request("DELETE", `delete?key=${encodeURIComponent(key)}`);
  }

  /** GET /keys: about `count` keys. The first page has no cursor; an empty pattern takes all keys. */
  keys(pattern: string, cursor: string | null, count: number): Promise<PageResponse> {
    const query = new URLSearchParams({ count: String(count) });
    if (pattern !== "") query.set("pattern", pattern);
    if (cursor !== null) query.set("cursor", cursor);
    return this.#request("GET", `keys?${query}`);
  }

  async #request<Result extends KeyResponse>(
    method: string,
    path: string,
    body: string | null = null,
  ): Promise<Result | KeyResponse> {
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const response = await this.#token.fetch(path, { method, body, signal });
      return (await response.json()) as Result;
    } catch (error) {
      if (error instanceof SyntaxError) return failure("The response is not JSON.");
      if (error instanceof DOMException && error.name === "TimeoutError")
        return failure(`No response within ${TIMEOUT_MS / 1000} s.`);
      return failure("The service cannot be reached.");
    }
  }
}

export function failure(message: string): KeyResponse {
  return { status: "ERROR", message };
}
