// Get, put and delete by the HTTP API that every client uses.

/** How long an answer may take, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** What the service said; a refusal is an answer with `status` "ERROR" and a message. */
export interface Answer {
  readonly status: "OK" | "ERROR";
  readonly message?: string;
  readonly value?: string;
  readonly encoding?: "base64";
}

/** GET /get. */
export function getKey(key: string): Promise<Answer> {
  return ask("GET", `/get?key=${encodeURIComponent(key)}`);
}

/** POST /put; without `ttlSeconds` the service's default lifetime holds. */
export function putKey(key: string, value: string, ttlSeconds?: number): Promise<Answer> {
  const ttl = ttlSeconds === undefined ? {} : { ttl: ttlSeconds };
  return ask("POST", "/put", JSON.stringify({ key, value, ...ttl }));
}

/** DELETE /delete. */
export function deleteKey(key: string): Promise<Answer> {
  return ask("DELETE", `/delete?key=${encodeURIComponent(key)}`);
}

async function ask(method: string, path: string, body: string | null = null): Promise<Answer> {
  let response: Response;
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    response = await fetch(path, { method, body, signal, cache: "no-store" });
    return (await response.json()) as Answer;
  } catch (error) {
    if (error instanceof SyntaxError) return refused("The answer is not JSON.");
    if (error instanceof DOMException && error.name === "TimeoutError")
      return refused(`No answer within ${TIMEOUT_MS / 1000} s.`);
    return refused("The service cannot be reached.");
  }
}

function refused(message: string): Answer {
  return { status: "ERROR", message };
}
