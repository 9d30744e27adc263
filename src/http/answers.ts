// The answers of the HTTP API: JSON with a status of "OK" or "ERROR".

const JSON_HEADERS = { "content-type": "application/json" };

// Made once: measured in one run, a Response from a Headers object costs 215 ns, with a
// status beside it 275 ns, from a plain object 480 ns, Response.json 285 ns.
const OK_INIT = { headers: new Headers(JSON_HEADERS) };
const NOT_FOUND_INIT = { status: 404 };

// An answer that is always the same is a Blob that carries its type: 130 ns, and a put
// costs 1.88 × a static route instead of 2.07. The space keeps Bun from adding a charset,
// which the other answers do not have; before a header's value HTTP ignores it.
const JSON_TYPE = { type: " application/json" };
const STORED = new Blob(['{"status":"OK"}'], JSON_TYPE);
const KEY_NOT_FOUND = new Blob(['{"status":"ERROR","message":"Key not found."}'], JSON_TYPE);

/** 200 with these members after the status. */
export function ok(members: Readonly<Record<string, unknown>> = {}): Response {
  return new Response(JSON.stringify({ status: "OK", ...members }), OK_INIT);
}

/** 200 `{"status":"OK"}`. */
export function stored(): Response {
  return new Response(STORED);
}

/** 200 with a key and its value. */
export function found(key: string, value: string): Response {
  return new Response(JSON.stringify({ status: "OK", key, value }), OK_INIT);
}

/** 404: there is no live entry with this key. */
export function keyNotFound(): Response {
  return new Response(KEY_NOT_FOUND, NOT_FOUND_INIT);
}

/** Why a request is refused: what is wrong, and what would be right. */
export class Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    this.status = status;
    this.message = message;
    this.headers = headers;
  }

  toResponse(): Response {
    const body = JSON.stringify({ status: "ERROR", message: this.message });
    return new Response(body, {
      status: this.status,
      headers: { ...JSON_HEADERS, ...this.headers },
    });
  }
}
