// The calls of the HTTP API: requests in, answers of the cache and the service out.

import { ByteBuffer, type Bytes, type Cache, MISS } from "../../cache/cache.ts";
import { bytesText, type Config } from "../../config/config.ts";
import type { Service } from "../../service/service.ts";
import { FoundAnswer, keyNotFound, longJsonOf, ok, stored, ValuesAnswer } from "./respond.ts";
import type { BodyAnswer } from "../body.ts";
import type { LargeAnswers, Sent } from "../large-responses.ts";
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
import { Refusal, type Refuse } from "../error.ts";

/** The service serves on: only probes are told to look elsewhere. */
const DRAINING = new Refusal(503, "draining", { headers: { "retry-after": "1" } });
const NO_FOLDER = new Refusal(
  409,
  "there is no folder to save to; start the service with --data-dir",
);
const FULL = new Refusal(
  507,
  "the cache is full, and with --eviction none it keeps what it has: delete entries or raise --memory",
);

export type Handler = (req: Request) => Response | Promise<Response>;

export interface Calls extends Readonly<
  Record<"put" | "delete" | "mput" | "mget", BodyAnswer> &
    Record<"get" | "deleteByQuery" | "snapshot" | "stats" | "ring" | "health", Handler>
> {}

/** The calls of one worker. */
export function callsOf(
  cache: Cache,
  config: Config,
  service: Service,
  refuse: Refuse,
  large: LargeAnswers,
): Calls {
  // One buffer each for all requests: nothing awaits between filling and using them.
  const keyBytes = new ByteBuffer();
  const valueBytes = new ByteBuffer();
  const foundAnswer = new FoundAnswer(large);
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
    const deadlineMs = cache.deadlineMs(ttlMs, nowMs);
    return cache.put(utf8(keyBytes, key), valueRun, deadlineMs, nowMs) ? undefined : FULL;
  };
  const remove = (key: string | Refusal): Response => {
    if (key instanceof Refusal) return refuse(key);
    return cache.delete(utf8(keyBytes, key), cache.clock.now()) ? stored() : keyNotFound();
  };

  const get: Handler = (req) => {
    const key = readQueryKey(req.url, config);
    if (key instanceof Refusal) return refuse(key);
    const nowMs = cache.clock.now();
    const length = cache.get(utf8(keyBytes, key), nowMs, foundAnswer.begin(keyBytes));
    return length === MISS ? keyNotFound() : foundAnswer.end(req, get);
  };
  const ring: Handler = (req) => longJsonOf({ status: "OK", ...ringOf(cache) }, req, large, ring);
  const valuesOf = (keys: readonly string[], req: Request): Sent => {
    const nowMs = cache.clock.now();
    valuesAnswer.clear();
    for (const key of keys) {
      const length = cache.get(utf8(keyBytes, key), nowMs, valuesAnswer.begin());
      valuesAnswer.endValue(length !== MISS);
      // A body of a few bytes a key may ask for the longest value again and again.
      if (valuesAnswer.length > config.maxBodyBytes) return refuse(tooLarge("answer", config));
    }
    return valuesAnswer.end(req, () => valuesOf(keys, req));
  };

  return {
    put: (body) => {
      const entry = readPut(body, config);
      if (entry instanceof Refusal) return refuse(entry);
      const refusal = put(entry, cache.clock.now());
      return refusal === undefined ? stored() : refuse(refusal);
    },
    get,
    delete: (body) => remove(readDelete(body, config)),
    deleteByQuery: (req) => remove(readQueryKey(req.url, config)),
    mput: (body) => {
      const entries = readPuts(body, config);
      if (entries instanceof Refusal) return refuse(entries);
      for (const { value } of entries) {
        if (Buffer.byteLength(value) > cache.maxValueBytes)
          return refuse(valueTooLarge(value, cache, config));
      }
      const nowMs = cache.clock.now();
      for (const [index, entry] of entries.entries()) {
        const refusal = put(entry, nowMs);
        if (refusal !== undefined) return refuse(refusal.after(`${index} were stored`));
      }
      return ok({ stored: entries.length });
    },
    mget: (body, req) => {
      const keys = readKeys(body, config);
      return keys instanceof Refusal ? refuse(keys) : valuesOf(keys, req);
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
    return new Refusal(503, `the snapshot failed: ${outcome.reason}${kept}`).toResponse();
  }
  const { entries, bytes, tookMs } = outcome;
  return ok({ entries, bytes, ms: rounded(tookMs) });
}

function valueTooLarge(value: string | Buffer, cache: Cache, config: Config): Refusal {
  const { maxValueBytes: limit } = cache;
  const reason =
    limit < config.maxValueBytes
      ? `which is what --memory ${bytesText(config.memory)} has room for`
      : "the limit set by --max-value-bytes";
  const bytes = `${Buffer.byteLength(value)} bytes${typeof value === "string" ? " in UTF-8" : ""}`;
  return new Refusal(413, `"value" is ${bytes}; it may have ${limit}, ${reason}`);
}
