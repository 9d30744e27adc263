class QuickLRU extends Map {
  #size = 0;
  #cache = new Map();
  #oldCache = new Map();
  #maxSize;
  #maxAge;
  #onEviction;
  constructor(options = {}) {
    super();
    if (!(options.maxSize && options.maxSize > 0)) {
      throw new TypeError("`maxSize` must be a number greater than 0");
    }
    if (typeof options.maxAge === "number" && options.maxAge === 0) {
      throw new TypeError("`maxAge` must be a number greater than 0");
    }
    this.#maxSize = options.maxSize;
    this.#maxAge = options.maxAge || Number.POSITIVE_INFINITY;
    this.#onEviction = options.onEviction;
  }
  get __oldCache() {
    return this.#oldCache;
  }
  #emitEvictions(cache) {
    if (typeof this.#onEviction !== "function") {
      return;
    }
    for (const [key, item] of cache) {
      this.#onEviction(key, item.value);
    }
  }
  #deleteIfExpired(key, item) {
    if (typeof item.expiry === "number" && item.expiry <= Date.now()) {
      if (typeof this.#onEviction === "function") {
        this.#onEviction(key, item.value);
      }
      return this.delete(key);
    }
    return false;
  }
  #getOrDeleteIfExpired(key, item) {
    const deleted = this.#deleteIfExpired(key, item);
    if (deleted === false) {
      return item.value;
    }
  }
  #getItemValue(key, item) {
    return item.expiry ? this.#getOrDeleteIfExpired(key, item) : item.value;
  }
  #peek(key, cache) {
    const item = cache.get(key);
    return this.#getItemValue(key, item);
  }
  #set(key, value) {
    this.#cache.set(key, value);
    this.#size++;
    if (this.#size >= this.#maxSize) {
      this.#size = 0;
      this.#emitEvictions(this.#oldCache);
      this.#oldCache = this.#cache;
      this.#cache = new Map();
    }
  }
  #moveToRecent(key, item) {
    this.#oldCache.delete(key);
    this.#set(key, item);
  }
  *#entriesAscending() {
    for (const item of this.#oldCache) {
      const [key, value] = item;
      if (!this.#cache.has(key)) {
        const deleted = this.#deleteIfExpired(key, value);
        if (deleted === false) {
          yield item;
        }
      }
    }
    for (const item of this.#cache) {
      const [key, value] = item;
      const deleted = this.#deleteIfExpired(key, value);
      if (deleted === false) {
        yield item;
      }
    }
  }
  get(key) {
    if (this.#cache.has(key)) {
      const item = this.#cache.get(key);
      return this.#getItemValue(key, item);
    }
    if (this.#oldCache.has(key)) {
      const item = this.#oldCache.get(key);
      if (this.#deleteIfExpired(key, item) === false) {
        this.#moveToRecent(key, item);
        return item.value;
      }
    }
  }
  set(key, value, { maxAge = this.#maxAge } = {}) {
    const expiry =
      typeof maxAge === "number" && maxAge !== Number.POSITIVE_INFINITY
        ? Date.now() + maxAge
        : undefined;
    if (this.#cache.has(key)) {
      this.#cache.set(key, {
        value,
        expiry,
      });
    } else {
      this.#set(key, { value, expiry });
    }
    return this;
  }
  has(key) {
    if (this.#cache.has(key)) {
      return !this.#deleteIfExpired(key, this.#cache.get(key));
    }
    if (this.#oldCache.has(key)) {
      return !this.#deleteIfExpired(key, this.#oldCache.get(key));
    }
    return false;
  }
  peek(key) {
    if (this.#cache.has(key)) {
      return this.#peek(key, this.#cache);
    }
    if (this.#oldCache.has(key)) {
      return this.#peek(key, this.#oldCache);
    }
  }
  expiresIn(key) {
    const item = this.#cache.get(key) ?? this.#oldCache.get(key);
    if (item) {
      return item.expiry ? item.expiry - Date.now() : Number.POSITIVE_INFINITY;
    }
  }
  delete(key) {
    const deleted = this.#cache.delete(key);
    if (deleted) {
      this.#size--;
    }
    return this.#oldCache.delete(key) || deleted;
  }
  clear() {
    this.#cache.clear();
    this.#oldCache.clear();
    this.#size = 0;
  }
  resize(newSize) {
    if (!(newSize && newSize > 0)) {
      throw new TypeError("`maxSize` must be a number greater than 0");
    }
    const items = [...this.#entriesAscending()];
    const removeCount = items.length - newSize;
    if (removeCount < 0) {
      this.#cache = new Map(items);
      this.#oldCache = new Map();
      this.#size = items.length;
    } else {
      if (removeCount > 0) {
        this.#emitEvictions(items.slice(0, removeCount));
      }
      this.#oldCache = new Map(items.slice(removeCount));
      this.#cache = new Map();
      this.#size = 0;
    }
    this.#maxSize = newSize;
  }
  evict(count = 1) {
    const requested = Number(count);
    if (!requested || requested <= 0) {
      return;
    }
    const items = [...this.#entriesAscending()];
    const evictCount = Math.trunc(Math.min(requested, Math.max(items.length - 1, 0)));
    if (evictCount <= 0) {
      return;
    }
    this.#emitEvictions(items.slice(0, evictCount));
    this.#oldCache = new Map(items.slice(evictCount));
    this.#cache = new Map();
    this.#size = 0;
  }
  *keys() {
    for (const [key] of this) {
      yield key;
    }
  }
  *values() {
    for (const [, value] of this) {
      yield value;
    }
  }
  *[Symbol.iterator]() {
    for (const item of this.#cache) {
      const [key, value] = item;
      const deleted = this.#deleteIfExpired(key, value);
      if (deleted === false) {
        yield [key, value.value];
      }
    }
    for (const item of this.#oldCache) {
      const [key, value] = item;
      if (!this.#cache.has(key)) {
        const deleted = this.#deleteIfExpired(key, value);
        if (deleted === false) {
          yield [key, value.value];
        }
      }
    }
  }
  *entriesDescending() {
    let items = [...this.#cache];
    for (let i = items.length - 1; i >= 0; --i) {
      const item = items[i];
      const [key, value] = item;
      const deleted = this.#deleteIfExpired(key, value);
      if (deleted === false) {
        yield [key, value.value];
      }
    }
    items = [...this.#oldCache];
    for (let i = items.length - 1; i >= 0; --i) {
      const item = items[i];
      const [key, value] = item;
      if (!this.#cache.has(key)) {
        const deleted = this.#deleteIfExpired(key, value);
        if (deleted === false) {
          yield [key, value.value];
        }
      }
    }
  }
  *entriesAscending() {
    for (const [key, value] of this.#entriesAscending()) {
      yield [key, value.value];
    }
  }
  get size() {
    if (!this.#size) {
      return this.#oldCache.size;
    }
    let oldCacheSize = 0;
    for (const key of this.#oldCache.keys()) {
      if (!this.#cache.has(key)) {
        oldCacheSize++;
      }
    }
    return Math.min(this.#size + oldCacheSize, this.#maxSize);
  }
  get maxSize() {
    return this.#maxSize;
  }
  get maxAge() {
    return this.#maxAge;
  }
  entries() {
    return this.entriesAscending();
  }
  forEach(callbackFunction, thisArgument = this) {
    for (const [key, value] of this.entriesAscending()) {
      callbackFunction.call(thisArgument, value, key, this);
    }
  }
  get [Symbol.toStringTag]() {
    return "QuickLRU";
  }
  toString() {
    return `QuickLRU(${this.size}/${this.maxSize})`;
  }
  [Symbol.for("nodejs.util.inspect.custom")]() {
    return this.toString();
  }
}

class Flight {
  #controller = new AbortController();
  #result;
  #left;
  #callers = 0;
  constructor(run, left) {
    this.#left = left;
    this.#result = run(this.#controller.signal);
    this.#result.catch(() => {});
  }
  async join(signal) {
    this.#callers++;
    if (signal === undefined) return await this.#result;
    let leave = () => {};
    const aborted = new Promise((_, reject) => {
      leave = () => {
        reject(signal.reason);
        if (--this.#callers > 0) return;
        this.#left();
        this.#controller.abort(signal.reason);
      };
    });
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([this.#result, aborted]);
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }
}

var FIRST_PAUSE_MS = 100;
var PAUSE_MS_MAX = 1e4;

class CacheError extends Error {
  name = "CacheError";
  status;
  constructor(message, status, cause) {
    super(message, { cause });
    this.status = status;
  }
}

class Service {
  timeoutMs;
  #url;
  #headers;
  #fetch;
  #failures = 0;
  #retryAtMs = 0;
  #triedUntilMs = 0;
  constructor(url, { token, timeout = 1, fetch }) {
    this.timeoutMs = timeout * 1000;
    this.#url = String(url).replace(/\/+$/, "");
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    this.#fetch = fetch ?? ((target, init) => globalThis.fetch(target, init));
  }
  isPaused() {
    if (this.#failures === 0) return false;
    const nowMs = Date.now();
    if (nowMs < this.#retryAtMs || nowMs < this.#triedUntilMs) return true;
    this.#triedUntilMs = nowMs + this.timeoutMs;
    return false;
  }
  async request(method, path, { headers = {}, body, signal, accepts = [], timeoutMs } = {}) {
    const timeout = AbortSignal.timeout(timeoutMs ?? this.timeoutMs);
    const startMs = Date.now();
    try {
      const response = await this.#fetch(this.#url + path, {
        ...NO_STORE,
        method,
        headers: { ...this.#headers, ...headers },
        body: body ?? null,
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
  #pause(startMs) {
    if (startMs < this.#retryAtMs) return;
    const pauseMs = Math.min(PAUSE_MS_MAX, FIRST_PAUSE_MS * 2 ** this.#failures++);
    this.#retryAtMs = Date.now() + pauseMs * (0.5 + Math.random() / 2);
    this.#triedUntilMs = 0;
  }
}
var NO_STORE = noStore();
function noStore() {
  try {
    const init = { cache: "no-store" };
    new Request("http://localhost", init);
    return init;
  } catch {
    return {};
  }
}

var LEASE_SECONDS = 10;
var LEASES_MAX = 4;
var POLL_MS_MIN = 50;
function connect(url, options = {}) {
  return new HttpClient(url, options);
}
var NOTHING = { hasValue: false };

class HttpClient {
  #service;
  #encode;
  #decode;
  #type;
  #local;
  #onError;
  #waitUntil;
  #flights = new Map();
  constructor(url, options) {
    const { encode, decode, local, onError, waitUntil } = options;
    this.#service = new Service(url, options);
    this.#encode = encode ?? ((value) => JSON.stringify(value));
    this.#decode = decode ?? ((bytes) => JSON.parse(new TextDecoder().decode(bytes)));
    this.#type = options.type ?? (encode ? "application/octet-stream" : "application/json");
    this.#local = local && new QuickLRU({ maxSize: local.max, maxAge: local.ttl * 1000 });
    this.#onError = onError ?? (() => {});
    this.#waitUntil = waitUntil ?? (() => {});
  }
  async wrap(key, work, options = {}) {
    const { signal } = options;
    signal?.throwIfAborted();
    const kept = this.#local?.get(key);
    if (kept !== undefined) return kept.value;
    let flight = this.#flights.get(key);
    if (flight === undefined) {
      const land = () => {
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
      };
      flight = new Flight((left) => this.#load(key, work, options, left, land), land);
      this.#flights.set(key, flight);
    }
    return await flight.join(signal);
  }
  async get(key, { signal } = {}) {
    const kept = this.#local?.get(key);
    if (kept !== undefined) return kept.value;
    const response = await this.#service.request("GET", pathOf(key), { signal, accepts: [404] });
    return response.status === 404 ? undefined : this.#decode(response.bytes);
  }
  async getMany(keys, { signal } = {}) {
    const body = JSON.stringify({ keys });
    const { bytes } = await this.#service.request("POST", "/mget", { body, signal });
    const { values } = JSON.parse(new TextDecoder().decode(bytes));
    const found = new Map();
    for (const [index, value] of values.entries()) {
      if (value !== null) found.set(keys[index] ?? "", this.#decode(bytesOf(value)));
    }
    return found;
  }
  async set(key, value, options = {}) {
    const body = this.#encode(value);
    if (body === undefined)
      throw new TypeError("the value has no encoding, such as undefined in JSON");
    this.#local?.delete(key);
    await this.#put(key, body, options, {});
  }
  async delete(key, { signal } = {}) {
    this.#local?.delete(key);
    const response = await this.#service.request("DELETE", pathOf(key), { signal, accepts: [404] });
    return response.status !== 404;
  }
  async invalidate(what, { signal } = {}) {
    this.#local?.clear();
    const body = JSON.stringify(Array.isArray(what) ? { tags: what } : what);
    await this.#service.request("POST", "/invalidate", { body, signal });
  }
  async #load(key, work, options, signal, land) {
    let refresh;
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
      else refresh.finally(land);
    }
  }
  async #lookUp(key, options, signal) {
    const { lease = LEASE_SECONDS } = options;
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
  #foundIn({ status, headers, bytes }) {
    const lease = headers.get("lease") ?? undefined;
    if (status === 404) return { hasValue: false, lease };
    const isStale = /;\s*ttl=-/.test(headers.get("cache-status") ?? "");
    return { hasValue: true, value: this.#decode(bytes), isStale, lease };
  }
  async #compute(key, work, options, signal, { lease, putMs }) {
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
        isStored = error instanceof CacheError && error.status === 409;
        if (isStored) this.#local?.delete(key);
        else this.#onError(error);
      }
      return value;
    } finally {
      if (lease !== undefined && !isStored) this.#release(key, lease);
    }
  }
  #release(key, lease) {
    if (this.#service.isPaused()) return;
    const body = JSON.stringify({ key, lease });
    const released = this.#service.request("POST", "/release", { body, accepts: [409] });
    this.#waitUntil(released.catch(this.#onError));
  }
  async #put(key, body, { ttl, stale, tags, signal }, more, timeoutMs) {
    const control = [];
    if (ttl !== undefined) control.push(`max-age=${Math.ceil(ttl)}`);
    if (stale !== undefined) control.push(`stale-while-revalidate=${Math.ceil(stale)}`);
    const headers = { "content-type": this.#type, ...more };
    if (control.length > 0) headers["cache-control"] = control.join(", ");
    if (tags !== undefined && tags.length > 0) headers["cache-tag"] = tags.map(fieldOf).join(",");
    await this.#service.request("PUT", pathOf(key), { headers, body, signal, timeoutMs });
  }
}
function bytesOf(value) {
  if (typeof value === "string") return new TextEncoder().encode(value);
  return Uint8Array.from(atob(value.value), (character) => character.charCodeAt(0));
}
function pathOf(key) {
  return `/cache/${encodeURIComponent(key)}`;
}
function fieldOf(tag) {
  if (/^[ \t]|[ \t]$|,|^$/.test(tag)) {
    throw new TypeError(
      `a tag is ${JSON.stringify(tag)}; it may not be empty, have a comma, or space at its ends`,
    );
  }
  return String.fromCharCode(...new TextEncoder().encode(tag));
}
export { CacheError, connect };
