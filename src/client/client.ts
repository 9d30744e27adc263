// ringcache/client: a cache for any runtime with fetch. It speaks /cache/{key} of the HTTP port.
//
//   wrap    fresh: return it. Stale: return it, and refresh if this caller got the lease
//           missing, with a lease: call the function, put its value with the lease
//           missing, leased to another process: wait for its value, or for the lease
//           the service fails: call the function
//
// The functions of one key run one at a time in a process (flight.ts); leases do the same for all
// processes. docs/client.md is the page for users.

import QuickLRU from "quick-lru";

import { Flight } from "./flight.ts";
import { CacheError, Service, type ServiceResponse } from "./service.ts";
import type {
  Client,
  ConnectOptions,
  Decode,
  Encode,
  Invalidation,
  RequestOptions,
  SetOptions,
  WrapOptions,
} from "./types.ts";

export { CacheError } from "./service.ts";
export type * from "./types.ts";

const LEASE_SECONDS = 10;
/** A caller waits for this number of leases of other processes, then it calls its function. */
const LEASES_MAX = 4;
/** Least time between two requests for a key that another process computes. */
const POLL_MS_MIN = 50;

/** Returns a client of the service with this URL. It connects with the first request. */
export function connect(url: string | URL, options: ConnectOptions = {}): Client {
  return new HttpClient(url, options);
}

/** What a lookup has found; nothing if the service failed. */
interface Found {
  readonly hasValue: boolean;
  readonly value?: unknown;
  readonly isStale?: boolean;
  /** The token of the lease that this process got. */
  readonly lease?: string | undefined;
  /** Rest of the timeout for the put, so that both requests together take no longer. */
  readonly putMs?: number;
}

const NOTHING: Found = { hasValue: false };

class HttpClient implements Client {
  readonly #service: Service;
  readonly #encode: Encode;
  readonly #decode: Decode;
  readonly #type: string;
  readonly #local: QuickLRU<string, { readonly value: unknown }> | undefined;
  readonly #onError: (error: unknown) => void;
  readonly #waitUntil: (refresh: Promise<unknown>) => void;
  readonly #flights = new Map<string, Flight<unknown>>();

  constructor(url: string | URL, options: ConnectOptions) {
    const { encode, decode, local, onError, waitUntil } = options;
    this.#service = new Service(url, options);
    this.#encode = encode ?? ((value) => JSON.stringify(value));
    this.#decode = decode ?? ((bytes) => JSON.parse(new TextDecoder().decode(bytes)));
    this.#type = options.type ?? (encode ? "application/octet-stream" : "application/json");
    this.#local = local && new QuickLRU({ maxSize: local.max, maxAge: local.ttl * 1000 });
    this.#onError = onError ?? (() => {});
    this.#waitUntil = waitUntil ?? (() => {});
  }

  async wrap<T>(
    key: string,
    work: (signal: AbortSignal) => T | Promise<T>,
    options: WrapOptions = {},
  ): Promise<T> {
    const { signal } = options;
    signal?.throwIfAborted();
    const kept = this.#local?.get(key);
    if (kept !== undefined) return kept.value as T;
    let flight = this.#flights.get(key);
    if (flight === undefined) {
      const land = () => {
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
      };
      flight = new Flight((left) => this.#load(key, work, options, left, land), land);
      this.#flights.set(key, flight);
    }
    return (await flight.join(signal)) as T;
  }

  async get<T = unknown>(key: string, { signal }: RequestOptions = {}): Promise<T | undefined> {
    const kept = this.#local?.get(key);
    if (kept !== undefined) return kept.value as T;
    const response = await this.#service.request("GET", pathOf(key), { signal, accepts: [404] });
    return response.status === 404 ? undefined : (this.#decode(response.bytes) as T);
  }

  async getMany<T = unknown>(
    keys: readonly string[],
    { signal }: RequestOptions = {},
  ): Promise<Map<string, T>> {
    const body = JSON.stringify({ keys });
    const { bytes } = await this.#service.request("POST", "/mget", { body, signal });
    const { values } = JSON.parse(new TextDecoder().decode(bytes)) as ManyResponse;
    const found = new Map<string, T>();
    for (const [index, value] of values.entries()) {
      if (value !== null) found.set(keys[index] ?? "", this.#decode(bytesOf(value)) as T);
    }
    return found;
  }

  async set(key: string, value: unknown, options: SetOptions = {}): Promise<void> {
    const body = this.#encode(value);
    if (body === undefined)
      throw new TypeError("the value has no encoding, such as undefined in JSON");
    this.#local?.delete(key);
    await this.#put(key, body, options, {});
  }

  async delete(key: string, { signal }: RequestOptions = {}): Promise<boolean> {
    this.#local?.delete(key);
    const response = await this.#service.request("DELETE", pathOf(key), { signal, accepts: [404] });
    return response.status !== 404;
  }

  async invalidate(
    what: readonly string[] | Invalidation,
    { signal }: RequestOptions = {},
  ): Promise<void> {
    // The local layer knows no tags.
    this.#local?.clear();
    const body = JSON.stringify(Array.isArray(what) ? { tags: what } : what);
    await this.#service.request("POST", "/invalidate", { body, signal });
  }

  /** The one load of a key in this process. `land`: called when the next caller is to start another one. */
  async #load<T>(
    key: string,
    work: (signal: AbortSignal) => T | Promise<T>,
    options: WrapOptions,
    signal: AbortSignal,
    land: () => void,
  ): Promise<unknown> {
    let refresh: Promise<unknown> | undefined;
    try {
      const found = await this.#lookUp(key, options, signal);
      if (!found.hasValue) return await this.#compute(key, work, options, signal, found);
      if (!found.isStale) this.#local?.set(key, { value: found.value });
      if (found.lease !== undefined) {
        refresh = this.#compute(key, work, options, signal, found).catch(this.#onError);
        this.#waitUntil(refresh);
      }
      return found.value;
    } finally {
      if (refresh === undefined) land();
      else void refresh.finally(land);
    }
  }

  /** Returns a value, a lease or nothing; rejects only with the reason of the signal. */
  async #lookUp(key: string, options: WrapOptions, signal: AbortSignal): Promise<Found> {
    const { lease = LEASE_SECONDS } = options;
    // The service responds in time to show that it is alive.
    const wait = this.#service.timeoutMs / 2000;
    const headers = { lease: `${lease}`, prefer: `wait=${wait}` };
    const endMs = Date.now() + LEASES_MAX * lease * 1000;
    try {
      while (!this.#service.isPaused()) {
        const startMs = Date.now();
        const request = { headers, signal, accepts: [404] };
        const response = await this.#service.request("GET", pathOf(key), request);
        const spentMs = Date.now() - startMs;
        const found = {
          ...this.#foundIn(response),
          putMs: Math.max(1, this.#service.timeoutMs - spentMs),
        };
        if (found.hasValue || found.lease !== undefined || Date.now() > endMs) return found;
        const restMs = startMs + POLL_MS_MIN - Date.now();
        if (restMs > 0) await new Promise((resume) => setTimeout(resume, restMs));
      }
    } catch (error) {
      signal.throwIfAborted();
      this.#onError(error);
    }
    return NOTHING;
  }

  #foundIn({ status, headers, bytes }: ServiceResponse): Found {
    const lease = headers.get("lease") ?? undefined;
    if (status === 404) return { hasValue: false, lease };
    // RFC 9211: the time to live of a stale value is negative.
    const isStale = /;\s*ttl=-/.test(headers.get("cache-status") ?? "");
    return { hasValue: true, value: this.#decode(bytes), isStale, lease };
  }

  /** Calls the function, and stores its value if this process has the lease. */
  async #compute<T>(
    key: string,
    work: (signal: AbortSignal) => T | Promise<T>,
    options: WrapOptions,
    signal: AbortSignal,
    { lease, putMs }: Found,
  ): Promise<T> {
    let isStored = false;
    try {
      const value = await work(signal);
      this.#local?.set(key, { value });
      if (lease === undefined) return value;
      try {
        const body = this.#encode(value);
        if (body !== undefined)
          await this.#put(key, body, { ...options, signal: undefined }, { lease }, putMs);
        isStored = body !== undefined;
      } catch (error) {
        // 409: the key was written, deleted or invalidated meanwhile, and the value may be old.
        isStored = error instanceof CacheError && error.status === 409;
        if (isStored) this.#local?.delete(key);
        else this.#onError(error);
      }
      return value;
    } finally {
      if (lease !== undefined && !isStored) this.#release(key, lease);
    }
  }

  /** Lets the next caller compute the value at once. */
  #release(key: string, lease: string): void {
    if (this.#service.isPaused()) return;
    const body = JSON.stringify({ key, lease });
    const released = this.#service.request("POST", "/release", { body, accepts: [409] });
    this.#waitUntil(released.catch(this.#onError));
  }

  async #put(
    key: string,
    body: string | Uint8Array,
    { ttl, stale, tags, signal }: SetOptions,
    more: Record<string, string>,
    timeoutMs?: number,
  ): Promise<void> {
    const control: string[] = [];
    if (ttl !== undefined) control.push(`max-age=${Math.ceil(ttl)}`);
    if (stale !== undefined) control.push(`stale-while-revalidate=${Math.ceil(stale)}`);
    const headers = { "content-type": this.#type, ...more } as Record<string, string>;
    if (control.length > 0) headers["cache-control"] = control.join(", ");
    if (tags !== undefined && tags.length > 0) headers["cache-tag"] = tags.map(fieldOf).join(",");
    await this.#service.request("PUT", pathOf(key), { headers, body, signal, timeoutMs });
  }
}

interface ManyResponse {
  readonly values: readonly (string | { readonly value: string } | null)[];
}

/** Text, or bytes in base64. */
function bytesOf(value: string | { readonly value: string }): Uint8Array {
  if (typeof value === "string") return new TextEncoder().encode(value);
  return Uint8Array.from(atob(value.value), (character) => character.charCodeAt(0));
}

function pathOf(key: string): string {
  return `/cache/${encodeURIComponent(key)}`;
}

/** A tag as a field of the header: its bytes in UTF-8, one character each. */
function fieldOf(tag: string): string {
  if (/^[ \t]|[ \t]$|,|^$/.test(tag)) {
    throw new TypeError(
      `a tag is ${JSON.stringify(tag)}; it may not be empty, have a comma, or space at its ends`,
    );
  }
  return String.fromCharCode(...new TextEncoder().encode(tag));
}
