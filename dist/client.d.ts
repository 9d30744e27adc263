// The public types of ringcache/client. All durations are in seconds.

/** Turns a value into the bytes that the cache stores; undefined: the value is not stored. */
export type Encode = (value: unknown) => string | Uint8Array | undefined;
/** Turns stored bytes into a value. */
export type Decode = (bytes: Uint8Array) => unknown;

export interface ConnectOptions {
  /** Token of --auth-token or --read-token. */
  readonly token?: string;
  /** Longest time for one request of the service; 1 without it. */
  readonly timeout?: number;
  /** Without it values are JSON. Used together with `decode`. */
  readonly encode?: Encode;
  readonly decode?: Decode;
  /** Content type of the values; application/json without it, and application/octet-stream with `encode`. */
  readonly type?: string;
  /** Keeps values in this process, too: at most `max` of them, each for at most `ttl`. */
  readonly local?: { readonly max: number; readonly ttl: number };
  /** Called with each error that a caller does not get: of the service, or of a refresh in the background. */
  readonly onError?: (error: unknown) => void;
  /** Called with each refresh in the background, for runtimes that stop with the response. */
  readonly waitUntil?: (refresh: Promise<unknown>) => void;
  /** Used instead of the global fetch. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

export interface RequestOptions {
  /** Ends the call; it then rejects with the reason of the signal. */
  readonly signal?: AbortSignal | undefined;
}

export interface SetOptions extends RequestOptions {
  /** Time for which the value is fresh, in whole seconds; without it --default-ttl. */
  readonly ttl?: number | undefined;
  /** Time after that in which `wrap` may return the value while it is refreshed. */
  readonly stale?: number | undefined;
  /** At most 16 tags of 1 to 256 bytes, for `invalidate`. */
  readonly tags?: readonly string[] | undefined;
}

export interface WrapOptions extends SetOptions {
  /** Longest time that the function usually takes; 10 without it. After it, another process may call its function. */
  readonly lease?: number | undefined;
}

/** What `invalidate` makes a miss. */
export interface Invalidation {
  readonly tags?: readonly string[];
  readonly keys?: readonly string[];
  readonly all?: true;
}

export interface Client {
  /**
   * Returns the value of the key. If it is missing, calls `work` once for all callers of this process
   * and, as long as `lease`, of all processes; stores its value and returns it. A stale value is
   * returned at once, and refreshed in the background. Rejects only with an error of `work`, or with
   * the reason of `signal`: if the service is down or slow, `work` is called. The signal that `work` gets
   * is aborted once all callers have left.
   */
  wrap<T>(
    key: string,
    work: (signal: AbortSignal) => T | Promise<T>,
    options?: WrapOptions,
  ): Promise<T>;
  /** Returns the fresh value, or undefined. Rejects if the service fails. */
  get<T = unknown>(key: string, options?: RequestOptions): Promise<T | undefined>;
  /** Returns the fresh values that exist, by key. Rejects if the service fails. */
  getMany<T = unknown>(keys: readonly string[], options?: RequestOptions): Promise<Map<string, T>>;
  /** Stores the value. Rejects if the service fails. */
  set(key: string, value: unknown, options?: SetOptions): Promise<void>;
  /** Returns whether there was a value. Rejects if the service fails. */
  delete(key: string, options?: RequestOptions): Promise<boolean>;
  /** Makes all values with one of these tags a miss. Rejects if the service fails. */
  invalidate(what: readonly string[] | Invalidation, options?: RequestOptions): Promise<void>;
}

/** Returns a client of the service with this URL. It connects with the first request. */
export declare function connect(url: string | URL, options?: ConnectOptions): Client;

/** The service responded with an error. `status` is 0 if it did not respond. */
export declare class CacheError extends Error {
  readonly status: number;
}
