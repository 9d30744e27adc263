// Get, put and delete by the HTTP API that every client uses.

import type { Token } from "./token.ts";

/** How long an answer may take, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** What the service said; a refusal is an answer with `status` "ERROR" and a message. */
export interface Answer {
  readonly status: "OK" | "ERROR";
  readonly message?: string;
  readonly value?: string;
  readonly encoding?: "base64";
}

export class KeyCalls {
  readonly #token: Token;

  constructor(token: Token) {
    this.#token = token;
  }

  /** GET /get. */
  get(key: string): Promise<Answer> {
    return this.#ask("GET", `get?key=${encodeURIComponent(key)}`);
  }

  /** POST /put; without `ttlSeconds` the service's default lifetime holds. */
  put(key: string, value: string, ttlSeconds?: number): Promise<Answer> {
    const ttl = ttlSeconds === undefined ? {} : { ttl: ttlSeconds };
    return this.#ask("POST", "put", JSON.stringify({ key, value, ...ttl }));
  }

  /** DELETE /delete. */
  delete(key: string): Promise<Answer> {
    return this.#ask("DELETE", `delete?key=${encodeURIComponent(key)}`);
  }

  async #ask(method: string, path: string, body: string | null = null): Promise<Answer> {
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const response = await this.#token.fetch(path, { method, body, signal });
      return (await response.json()) as Answer;
    } catch (error) {
      if (error instanceof SyntaxError) return refused("The answer is not JSON.");
      if (error instanceof DOMException && error.name === "TimeoutError")
        return refused(`No answer within ${TIMEOUT_MS / 1000} s.`);
      return refused("The service cannot be reached.");
    }
  }
}

function refused(message: string): Answer {
  return { status: "ERROR", message };
}
