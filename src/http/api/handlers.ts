// The calls of the HTTP API: requests in, answers of the cache and the service out.

import { ByteBuffer, type Bytes, type Cache, MISS } from "../../cache/cache.ts";
import { formatBytes, type Config } from "../../config/config.ts";
import type { Service } from "../../service/service.ts";
import { FoundResponse, keyNotFound, longJsonOf, ok, stored, ValuesAnswer } from "./respond.ts";
import type { BodyHandler } from "../body.ts";
import type { LargeResponses, Sent } from "../large-responses.ts";
import { ringOf, rounded, statsOf } from "./stats.ts";
import {
  type PutRequest,
  readDelete,
  readKeys,
  readPut,
  readPuts,
  readQueryKey,
  tooLarge,
} from "./decode.ts";
import { HttpError, type Reject } from "../error.ts";

/** The service serves on: only probes are told to look elsewhere. */
const DRAINING = new HttpError(503, "draining", { headers: { "retry-after": "1" } });
const NO_FOLDER = new HttpError(
  409,
  "there is no folder to save to; start the service with --data-dir",
);
const FULL = new HttpError(
  507,
  "the cache is full, and with --eviction none it keeps what it has: delete entries or raise --memory",
);

export type Handler = (req: Request) => Response | Promise<Response>;

export interface Handlers extends Readonly<
  Record<"put" | "delete" | "mput" | "mget", BodyHandler> &
    Record<"get" | "deleteByQuery" | "snapshot" | "stats" | "ring" | "health", Handler>
> {}

/** The calls of one worker. */
export function createHandlers(
  cache: Cache,
  config: Config,
  service: Service,
  reject: Reject,
  large: LargeResponses,
): Handlers {
  // One buffer each for all requests: nothing awaits between filling and using them.
  const keyBytes = new ByteBuffer();
  const valueBytes = new ByteBuffer();
  const foundResponse = new FoundResponse(large);
  const valuesAnswer = new ValuesAnswer(large);

  const utf8 = (buffer: ByteBuffer, text: string): ByteBuffer => {
    buffer.setText(text);
    return buffer;
  };
  const put = ({ key, value, ttlMs }: PutRequest, nowMs: number) => {
    const valueRun: Bytes =
      typeof value === "string"
        ? utf8(valueBytes, value)
        : { bytes: value, start: 0, end: value.length };
    if (valueRun.end > cache.maxValueBytes) return valueTooLarge(value, cache, config);
    const expiresAtMs = cache.expiresAtMs(ttlMs, nowMs);
    return cache.put(utf8(keyBytes, key), valueRun, expiresAtMs, nowMs) ? undefined : FULL;
  };
  const remove = (key: string | HttpError): Response => {
    if (key instanceof HttpError) return reject(key);
    return cache.delete(utf8(keyBytes, key), cache.clock.now()) ? stored() : keyNotFound();
  };

  const get: Handler = (req) => {
    const key = readQueryKey(req.url, config);
    if (key instanceof HttpError) return reject(key);
    const nowMs = cache.clock.now();
    const length = cache.get(utf8(keyBytes, key), nowMs, foundResponse.begin(keyBytes));
    return length === MISS ? keyNotFound() : foundResponse.end(req, get);
  };
  const ring: Handler = (req) => longJsonOf({ status: "OK", ...ringOf(cache) }, req, large, ring);
  const valuesOf = (keys: readonly string[], req: Request): Sent => {
    const nowMs = cache.clock.now();
    valuesAnswer.clear();
    for (const key of keys) {
      const length = cache.get(utf8(keyBytes, key), nowMs, valuesAnswer.begin());
      valuesAnswer.endValue(length !== MISS);
      // A body of a few bytes a key may ask for the longest value again and again.
      if (valuesAnswer.length > config.maxBodyBytes) return reject(tooLarge("answer", config));
    }
    return valuesAnswer.end(req, () => valuesOf(keys, req));
  };

  return {
    put: (body) => {
      const entry = readPut(body, config);
      if (entry instanceof HttpError) return reject(entry);
      const httpError = put(entry, cache.clock.now());
      return httpError === undefined ? stored() : reject(httpError);
    },
    get,
    delete: (body) => remove(readDelete(body, config)),
    deleteByQuery: (req) => remove(readQueryKey(req.url, config)),
    mput: (body) => {
      const entries = readPuts(body, config);
      if (entries instanceof HttpError) return reject(entries);
      for (const { value } of entries) {
        if (Buffer.byteLength(value) > cache.maxValueBytes)
          return reject(valueTooLarge(value, cache, config));
      }
      const nowMs = cache.clock.now();
      for (const [index, entry] of entries.entries()) {
        const httpError = put(entry, nowMs);
        if (httpError !== undefined) return reject(httpError.after(`${index} were stored`));
      }
      return ok({ stored: entries.length });
    },
    mget: (body, req) => {
      const keys = readKeys(body, config);
      return keys instanceof HttpError ? reject(keys) : valuesOf(keys, req);
    },
    snapshot: () => snapshot(config, service),
    stats: () => ok(statsOf(cache, config, service)),
    ring,
    health: () => (service.state.phase === "draining" ? DRAINING.toResponse() : ok()),
  };
}

async function snapshot(config: Config, service: Service): Promise<Response> {
  if (config.dataDir === "") return NO_FOLDER.toResponse();
  const outcome = await service.save();
  if (!outcome.isSaved) {
    const kept = outcome.keepsLast === true ? "; the last good snapshot stays" : "";
    return new HttpError(503, `the snapshot failed: ${outcome.reason}${kept}`).toResponse();
  }
  const { entries, bytes, tookMs } = outcome;
  return ok({ entries, bytes, ms: rounded(tookMs) });
}

function valueTooLarge(value: string | Buffer, cache: Cache, config: Config): HttpError {
  const { maxValueBytes: limit } = cache;
  const reason =
    limit < config.maxValueBytes
      ? `which is what --memory ${formatBytes(config.memory)} has room for`
      : "the limit set by --max-value-bytes";
  const bytes = `${Buffer.byteLength(value)} bytes${typeof value === "string" ? " in UTF-8" : ""}`;
  return new HttpError(413, `"value" is ${bytes}; it may have ${limit}, ${reason}`);
}
