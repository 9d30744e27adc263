// The responses of /cache/{key}: the bytes of a value with the header fields of RFC 9110, 9111 and 9211.
//
// For its clients the service is the origin of a value: `max-age` is the time for which it is still
// fresh, and so `Age` is 0. For a stale value max-age is 0, and Age is the time since it became stale.

import { ByteBuffer } from "../../cache/cache.ts";
import type { LargeResponses, MaybeLater, Remake } from "../large-responses.ts";

/** A value without an expiry promises nothing: caches in front ask each time whether it has changed. */
const UNLIMITED = "no-cache";
/** Header fields are kept for this number of types. */
const TYPES_MAX = 64;
/**
 * Types that no browser runs. All others get a sandbox: without scripts, and in an origin of their own. A browser
 * takes the last type of a list, so a type with a comma is none of these.
 */
const PASSIVE =
  /^((image\/(?!svg)|audio\/|video\/|font\/)[\w.+-]+|text\/(plain|css|csv)|application\/(octet-stream|json|pdf))\s*(;[^,]*)?$/i;

/** The fields of the responses with one content type. */
export interface ValueFields {
  /** One object for all these responses: see respond.ts for the costs. */
  readonly headers: Headers;
  /** The ETag that they show. */
  readonly etag: string;
}

interface TypeFields extends ValueFields {
  etag: string;
  /** Seed of the ETag, which depends on the type too. */
  readonly seed: bigint;
  /** The digest and the time that `headers` show. To set a field costs 0.1 µs, the text of a digest too. */
  digest: bigint;
  seconds: number;
}

/** One value on its way to a response. One for all requests: no `await` lies between `begin` and the end. */
export class ValueResponse {
  readonly #large: LargeResponses;
  readonly #types = new Map<string, TypeFields>();
  /** Whether only clients with a token may have the value: then no shared cache may keep it. */
  readonly #isPrivate: () => boolean;
  #body = new ByteBuffer();
  /** The value in the buffer. */
  #value: Buffer<ArrayBuffer> = this.#body.bytes;

  constructor(large: LargeResponses, isPrivate: () => boolean) {
    this.#large = large;
    this.#isPrivate = isPrivate;
  }

  /** Returns the buffer to which the cache appends the value. */
  begin(): ByteBuffer {
    this.#body.clear();
    return this.#body;
  }

  /** Returns the ETag of any value. O(bytes). */
  etagOf(bytes: Uint8Array, type: string): string {
    return textOf(digestOf(bytes, this.#fieldsOf(type).seed));
  }

  /**
   * Returns the fields of a response with the value in the buffer. `msLeft`: until the value is stale, 0
   * or negative after that, Infinity without an expiry. O(bytes).
   */
  fields(type: string, msLeft: number): ValueFields {
    const fields = this.#fieldsOf(type);
    const { headers } = fields;
    const { bytes, end } = this.#body;
    this.#value = bytes.subarray(0, end);
    const digest = digestOf(this.#value, fields.seed);
    if (digest !== fields.digest) {
      fields.digest = digest;
      fields.etag = textOf(digest);
      headers.set("etag", fields.etag);
    }
    const seconds = msLeft > 0 ? Math.floor(msLeft / 1000) : Math.min(-1, Math.ceil(msLeft / 1000));
    if (seconds !== fields.seconds) {
      fields.seconds = seconds;
      const isPrivate = this.#isPrivate() ? "private, " : "";
      const isLimited = seconds !== Infinity;
      const control = isLimited ? `max-age=${Math.max(0, seconds)}` : UNLIMITED;
      headers.set("cache-control", isPrivate + control);
      headers.set("age", `${Math.max(0, -seconds)}`);
      headers.set("cache-status", isLimited ? `ringcache; hit; ttl=${seconds}` : "ringcache; hit");
    }
    return fields;
  }

  /** Returns 200 with the value of the last `fields`. `remake`: makes the response again if it has to wait for room. */
  send(req: Request, headers: Headers, remake: Remake): MaybeLater {
    const value = this.#value;
    if (this.#large.isSmall(value.length)) return new Response(value, { headers });
    this.#body = new ByteBuffer();
    if (req.method !== "HEAD") {
      return this.#large.send(req, value, { headers: new Headers(headers) }, remake);
    }
    const ofHead = new Headers(headers);
    ofHead.set("content-length", `${value.length}`);
    return new Response(null, { headers: ofHead });
  }

  #fieldsOf(type: string): TypeFields {
    const known = this.#types.get(type);
    if (known !== undefined) return known;
    if (this.#types.size === TYPES_MAX) this.#types.clear();
    const headers = new Headers({ "content-type": type, "x-content-type-options": "nosniff" });
    if (!PASSIVE.test(type)) headers.set("content-security-policy", "sandbox");
    const seed = BigInt(Bun.hash.crc32(type));
    const fields = { headers, seed, digest: -1n, etag: "", seconds: NaN };
    this.#types.set(type, fields);
    return fields;
  }
}

/** 64 bits of XXH3: an ETag tells versions of one value apart, and is no defence against its writer. */
function digestOf(bytes: Uint8Array, seed: bigint): bigint {
  return Bun.hash.xxHash3(bytes, seed);
}

function textOf(digest: bigint): string {
  return `"${digest.toString(16)}"`;
}
