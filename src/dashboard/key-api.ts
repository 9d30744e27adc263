// Get, put and delete of one key, over the public HTTP API.

import type { Token } from "./token.ts";

/** Longest time that a response may take, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** A response of the service. An error has `status` "ERROR" and a message. */
export interface KeyResponse {
  readonly status: "OK" | "ERROR";
  readonly message?: string;
  readonly value?: string;
  readonly encoding?: "base64";
}

export class KeyApi {
  readonly #token: Token;

  constructor(token: Token) {
    this.#token = token;
  }

  /** GET /get. */
  get(key: string): Promise<KeyResponse> {
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

  async #request(method: string, path: string, body: string | null = null): Promise<KeyResponse> {
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const response = await this.#token.fetch(path, { method, body, signal });
      return (await response.json()) as KeyResponse;
    } catch (error) {
      if (error instanceof SyntaxError) return failure("The response is not JSON.");
      if (error instanceof DOMException && error.name === "TimeoutError")
        return failure(`No response within ${TIMEOUT_MS / 1000} s.`);
      return failure("The service cannot be reached.");
    }
  }
}

function failure(message: string): KeyResponse {
  return { status: "ERROR", message };
}
