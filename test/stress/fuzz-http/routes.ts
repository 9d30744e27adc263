// Well-formed requests of every route of /openapi.json: random keys, queries, bodies and headers.

import type { Draw } from "./draw.ts";
import type { Expected } from "./input.ts";

interface Schema {
  readonly type?: string | readonly string[];
  readonly minItems?: number;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minLength?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
}

interface Operation {
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly schema: Schema;
  }[];
  readonly requestBody?: {
    /** Without JSON, the body may be any bytes. */
    readonly content: { readonly "application/json"?: { readonly schema: Schema } };
  };
  readonly responses: Readonly<Record<string, unknown>>;
}

/** /openapi.json, as far as it is read here. */
export interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Route extends Operation {
  readonly method: string;
  readonly path: string;
}

export interface WellFormed {
  readonly bytes: Buffer;
  readonly expected: Expected;
}

/** Never answered whole, so it is none of the requests that are. */
export const STREAM_PATH = "/events";
/** Deletes the entries that must still be there at the end. */
const FLUSH_PATH = "/flush";
const GET_PATH = "/get";
/** Does the same with its member "all". */
const INVALIDATE_PATH = "/invalidate";
/** How likely a route is: most of them read or write entries. */
const ENTRY_WEIGHT = 8;
const OTHER_WEIGHT = 1;
const KEYS = 300;
const ODD_KEYS = 100;
/** Names in the shape of a request's, which nothing of the service reads. */
const HEADERS = [
  ...["Accept: */*", "User-Agent: fuzz", "Accept-Encoding: gzip, br", "Cookie: a=b; c=d"],
  ...["If-None-Match: *", "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT", "Range: bytes=0-3"],
  ...["Origin: null", "Connection: keep-alive", "X-Forwarded-For: 127.0.0.1", "TE: trailers"],
  ...["Content-Type: application/json", "Content-Type: text/plain;charset=utf-16", "X-Empty:"],
  ...["Content-Encoding: gzip", "X-Latin: \xe9\xff", "Via: 1.1 fuzz", "Cache-Control: no-cache"],
  ...["Cache-Control: max-stale", "Cache-Control: max-age=60, stale-while-revalidate=9"],
  ...["Cache-Control: max-age=x,max-age", "Cache-Control: no-store", 'If-Match: "a", W/"b"'],
  ...['If-None-Match: "a', "Cache-Tag: a, b,,\xc3\xa9", "Surrogate-Key: a b", "Lease: 1"],
  ...["Content-Type: image/svg+xml", "Content-Range: bytes 0-0/1", "Prefer: wait=0"],
  ...["X-HTTP-Method-Override: DELETE", "Keep-Alive: timeout=1", "Authorization: Basic Og=="],
];

export class Requests {
  readonly #draw: Draw;
  readonly #routes: readonly Route[];
  readonly #keys: readonly string[];

  constructor(draw: Draw, document: Document) {
    this.#draw = draw;
    const routes = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]): Route => {
        return { ...operation, method: method.toUpperCase(), path };
      }),
    );
    this.#routes = routes
      .filter(({ path }) => path !== STREAM_PATH && path !== FLUSH_PATH)
      .flatMap((route) => Array.from({ length: weightOf(route) }, () => route));
    // Few, so that the cache never has to evict. None is in the shape of a kept one, nor can a
    // mutation make it so.
    this.#keys = [
      ...Array.from({ length: KEYS }, (_, n) => `f${n}`),
      ...draw.list(ODD_KEYS, () => `f${draw.text(8)}`),
      "f".repeat(256),
      "🎉".repeat(256),
      "f".repeat(257),
    ];
  }

  key(): string {
    return this.#draw.pick(this.#keys);
  }

  /** A request of any route. `closing`: it asks for the connection to be closed. */
  next(closing = false): WellFormed {
    const draw = this.#draw;
    const route = draw.pick(this.#routes);
    const { path, parameters = [], requestBody } = route;
    const statuses = Object.keys(route.responses).map(Number);
    let key: string | undefined;
    const inPath = parameters.some(({ name, in: where }) => where === "path" && name === "key");
    let target = path.replace(/\{\w+\}/g, () => {
      return encodeURIComponent(inPath ? this.key() : draw.word(1 + draw.below(20)));
    });
    if (inPath && draw.oneIn(8)) {
      target += draw.pick(["/", "/x", "%", "%ff", "?", "/../x", "%2F"]);
      statuses.push(404, 405);
    }
    const inQuery = parameters.filter((parameter) => parameter.in === "query");
    if (inQuery.some(({ name }) => name === "key")) {
      [target, key] = this.#query(target);
      if (path === GET_PATH && draw.oneIn(3)) target += this.#caching(closing);
    } else if (inQuery.length > 0) {
      const pairs = inQuery
        .filter(() => draw.oneIn(2))
        .map(({ name, schema: of }) => {
          return `${name}=${encodeURIComponent(String(this.#value(of)))}`;
        });
      target += `?${pairs.join("&")}`;
    } else if (draw.oneIn(8)) {
      target += `?${draw.word(3)}=${encodeURIComponent(draw.text(3))}`;
    }
    let method = route.method;
    if (method === "GET" && draw.oneIn(10)) method = "HEAD";
    if (draw.oneIn(30)) {
      method = draw.pick(["PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "DELETE"]);
      statuses.push(404, 405);
      // The path may have a route with this method.
      if (inPath) statuses.push(201, 204, 400, 412, 413, 415);
    }
    if (draw.oneIn(50)) {
      target = `/${draw.word(5)}${target}`;
      statuses.push(404);
    }
    const whole = requestBody?.content["application/json"]?.schema;
    const schema = path === INVALIDATE_PATH && whole ? withoutAll(whole) : whole;
    // No route minds a body that it has no use for.
    const mayHaveBody = requestBody !== undefined || draw.oneIn(20);
    const body = schema ? this.#body(schema) : mayHaveBody ? draw.text(draw.below(200)) : undefined;
    const bytes = this.#message(`${method} ${target} HTTP/1.1`, body, closing);
    // Above are those of a service that is loading, stopping or full, and a bug's.
    const expected = { method, statuses: new Set(statuses.filter((status) => status < 500)) };
    const isAsked = key !== undefined && route.method === "GET" && method === "GET";
    return { bytes, expected: isAsked && key ? { ...expected, key } : expected };
  }

  /** The target with a query, and the key that it asks for. */
  #query(path: string): [string, string | undefined] {
    const draw = this.#draw;
    const key = this.key();
    const name = encodeURIComponent(key);
    switch (draw.below(10)) {
      case 0:
        return [`${path}?key=${name}&key=other&${draw.word(2)}`, key];
      case 1:
        return [`${path}?${draw.word(4)}x=1&key=${name}`, key];
      case 2:
        return [`${path}?k%65y=${name.replace(/%20/g, "+")}`, key];
      case 3:
        return [draw.pick([path, `${path}?`, `${path}?key`, `${path}?key=`, `${path}?Key=f1`]), ""];
      case 4:
        // Odd escapes: U+FFFD stands for what is not UTF-8.
        return [`${path}?key=f%${draw.pick(["", "z", "ff", "c3", "ed%a0%80", "00"])}`, undefined];
      default:
        return [`${path}?key=${name}`, key];
    }
  }

  /** Parameters for leases and stale values, some of them wrong. */
  #caching(isLast: boolean): string {
    const draw = this.#draw;
    const lease = draw.pick(["1", "0.001", "5", "0.05", "0", "-1", "3601", "x", "", "1e1"]);
    const stale = draw.pick(["1", "0", "", "2", "true"]);
    const wait = draw.pick(["0.02", "0.001", "0", "61", "-1", "x"]);
    return draw.pick([
      ...[`&lease=${lease}`, `&lease=1&stale=${stale}`, `&stale=${stale}`, "&stale=1&stale=1"],
      isLast ? `&lease=1&wait=${wait}` : "&lease=1&wait=0",
      isLast ? `&wait=${wait}` : "&wait=0",
    ]);
  }

  /** JSON of this schema, or of something like it. */
  #body(schema: Schema): string {
    const draw = this.#draw;
    const value = this.#value(schema);
    const json = JSON.stringify(value);
    switch (draw.below(16)) {
      case 0:
        return JSON.stringify(value, null, draw.pick([1, 4, "\t", "\r\n"]));
      case 1:
        return json.replace(/[a-z]/g, (letter) =>
          draw.oneIn(3) ? `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}` : letter,
        );
      case 2:
        return json.replace(
          "{",
          `{"${draw.word(4)}":${draw.pick(["null", "[]", "1e999", '"x"'])},`,
        );
      case 3:
        return json.replace(/:.*?([,}\]])/, `:${this.#odd()}$1`);
      case 4:
        return this.#odd();
      case 5:
        return json.slice(0, draw.below(json.length));
      default:
        return json;
    }
  }

  /** JSON that no call takes, and some that is none. */
  #odd(): string {
    const draw = this.#draw;
    const depth = 1 + draw.below(draw.oneIn(20) ? 5000 : 50);
    return draw.pick([
      ...["null", "true", "-0", "1e400", '"text"', "[]", "{}", "", " ", "NaN", "[1,]", "'f'"],
      ...['"\\ud800"', '"\\udc00\\ud800"', '{"__proto__":{"key":"f1"}}', '{"key":"f1","key":2}'],
      ...["\ufeff{}", `${"[".repeat(depth)}${"]".repeat(depth)}`, '{"a":'.repeat(depth), "{}{}"],
      ...['{"key":"f1","value":"v","ttl":-1}', '{"key":"f1","value":"AA=","encoding":"base64"}'],
      JSON.stringify(draw.text(100)),
    ]);
  }

  #value(schema: Schema): unknown {
    const {
      type,
      const: only,
      enum: words,
      properties,
      required = [],
      items,
      minLength,
      minItems,
    } = schema;
    const draw = this.#draw;
    if (only !== undefined) return only;
    if (words !== undefined) return draw.pick(words);
    if (type === "integer") return draw.pick([1, 2, 7, -1, 0, 0.5, 1000, 2 ** 53, 1e300]);
    if (minItems !== undefined) return this.#command();
    if (type === "array") return draw.list(draw.below(12), () => this.#value(items ?? {}));
    if (type === "number") return draw.pick([1, 0.001, 60, 1e9, 1e300, 0, -1]);
    if (type === "string" && minLength !== undefined) return this.key();
    if (type !== "object") {
      return draw.oneIn(4) ? draw.bytes(draw.below(100)).toString("base64") : draw.text(60);
    }
    const names = Object.keys(properties ?? {}).filter(
      (name) => required.includes(name) || draw.oneIn(4),
    );
    return Object.fromEntries(names.map((name) => [name, this.#value(properties?.[name] ?? {})]));
  }

  /** A command of the Redis port that leaves other keys as they are. */
  #command(): unknown[] {
    const draw = this.#draw;
    const name = draw.pick([
      ...["get", "set", "incr", "append", "del", "mget", "ttl", "expire", "getrange", "setrange"],
      ...[
        "strlen",
        "scan",
        "ping",
        "exists",
        "multi",
        "exec",
        "client",
        "hello",
        "subscribe",
        "nope",
      ],
    ]);
    return [
      name,
      ...draw.list(draw.below(4), () => draw.pick<unknown>([this.key(), 1, "0", true, null])),
    ];
  }

  #message(requestLine: string, text: string | undefined, closing: boolean): Buffer {
    const draw = this.#draw;
    const fields = draw.list(draw.below(4), () => draw.pick(HEADERS));
    // The service closes the connection after a chunked body by itself.
    const isChunked = text !== undefined && closing && draw.oneIn(2);
    if (closing && !isChunked) fields.push("Connection: close");
    // The runtime closes a connection with a request behind one that waits: only the last one does.
    if (closing && draw.oneIn(8)) fields.push("Lease: 1", "Prefer: wait=0.02");
    fields.splice(draw.below(fields.length + 1), 0, "Host: localhost");
    let body: Buffer = Buffer.from(text ?? "");
    if (isChunked) {
      fields.push("Transfer-Encoding: chunked");
      body = chunked(draw, body);
    } else if (text !== undefined || draw.oneIn(10)) {
      fields.push(`Content-Length: ${body.length}`);
    }
    const cased = fields.map((field) => {
      const name = field.slice(0, field.indexOf(":"));
      return draw.oneIn(4) ? field.replace(name, name.toLowerCase()) : field;
    });
    const head = Buffer.from(`${[requestLine, ...cased].join("\r\n")}\r\n\r\n`, "latin1");
    return Buffer.concat([head, body]);
  }
}

/** A body in chunks of any sizes. */
export function chunked(draw: Draw, body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const chunk = body.subarray(at, at + 1 + draw.below(body.length));
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from("\r\n"));
    at += chunk.length;
  }
  return Buffer.concat([...parts, Buffer.from("0\r\n\r\n")]);
}

function withoutAll(schema: Schema): Schema {
  const { all: _, ...properties } = schema.properties ?? {};
  return { ...schema, properties };
}

function weightOf({ parameters = [], requestBody }: Route): number {
  const isOfEntries = requestBody !== undefined || parameters.some(({ name }) => name === "key");
  return isOfEntries ? ENTRY_WEIGHT : OTHER_WEIGHT;
}
