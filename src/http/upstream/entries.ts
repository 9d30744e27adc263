// The handlers of /get, /put, /delete, /mget and /mput with --upstream: reads are near or loaded, and a write
// gets its response after the upstream's answer.

import { ByteBuffer, MISS } from "../../cache/cache.ts";
import { inParts, PART_COMMANDS } from "../../upstream/parts.ts";
import type { Upstream } from "../../upstream/upstream.ts";
import {
  type PutRequest,
  readDelete,
  readKeys,
  readPut,
  readPuts,
  readQueryKey,
} from "../api/decode.ts";
import { CONDITION_FAILED, type EntryHandlers, valueTooLarge } from "../api/entry-handlers.ts";
import { FoundResponse, keyNotFound, ok, stored, ValuesResponse } from "../api/respond.ts";
import { HttpError, sizeError } from "../error.ts";
import type { BodyHandler, Handler } from "../handler.ts";
import type { MaybeLater } from "../large-responses.ts";
import type { UpstreamApiParts } from "../upstream-api.ts";
import { errorOf, leftOut, sliceOf, type UpstreamCalls, wholeMs } from "./calls.ts";

const STALE = { stale: true };
const CONDITION_WORDS = { absent: ["NX"], present: ["XX"] } as const;

export class UpstreamEntries implements EntryHandlers {
  readonly #parts: UpstreamApiParts;
  readonly #calls: UpstreamCalls;
  readonly #upstream: Upstream;
  // One each for all requests: no `await` lies between filling and using them.
  readonly #keyBytes = new ByteBuffer();
  readonly #found: FoundResponse;
  readonly #values: ValuesResponse;

  constructor(parts: UpstreamApiParts, calls: UpstreamCalls) {
    this.#parts = parts;
    this.#calls = calls;
    this.#upstream = calls.upstream;
    this.#found = new FoundResponse(parts.large);
    this.#values = new ValuesResponse(parts.large);
  }

  readonly get: Handler = (req) => {
    const { cache, config, reject } = this.#parts;
    const key = readQueryKey(req.url, config);
    if (key instanceof HttpError) return reject(key);
    if (req.url.includes("&")) {
      const isFresh = readFresh(req.url);
      if (isFresh instanceof HttpError) return reject(isFresh);
      if (isFresh) return this.#load(req, key, false);
    }
    this.#keyBytes.setText(key);
    const into = this.#found.begin(this.#keyBytes);
    const length = this.#upstream.read(this.#keyBytes, cache.clock.now(), into);
    return length === MISS ? this.#load(req, key, true) : this.#found.end(req, this.get);
  };

  readonly put: BodyHandler = (body) => {
    const { config, reject } = this.#parts;
    const entry = readPut(body, config);
    if (entry instanceof HttpError) return reject(entry);
    const error = this.#errorOfPut(entry);
    if (error !== undefined) return reject(error);
    const { key, condition } = entry;
    const words = condition === undefined ? [] : CONDITION_WORDS[condition];
    return this.#calls.write(key, [...setArguments(entry), ...words], (reply) => {
      const isUnmet = reply === null && condition !== undefined;
      return isUnmet ? reject(CONDITION_FAILED[condition]) : stored();
    });
  };

  readonly delete: BodyHandler = (body) => this.#remove(readDelete(body, this.#parts.config));

  readonly deleteByQuery: Handler = (req) =>
    this.#remove(readQueryKey(req.url, this.#parts.config));

  readonly mput: BodyHandler = (body) => {
    const { config, reject } = this.#parts;
    const puts = readPuts(body, config);
    if (puts instanceof HttpError) return reject(puts);
    const error = puts.map((one) => this.#errorOfPut(one)).find((one) => one !== undefined);
    return error === undefined ? this.#putAll(puts) : reject(error);
  };

  readonly mget: BodyHandler = (body, req) => {
    const { config, reject } = this.#parts;
    const keys = readKeys(body, config);
    if (keys instanceof HttpError) return reject(keys);
    return this.#calls.guard(async (claim) => {
      await claim.commandsOfBody([keys], Math.min(keys.length, PART_COMMANDS));
      const values = await inParts(keys, (key) => claim.reply(this.#valueOf(key)));
      return await this.#respondAll(req, values);
    });
  };

  #load(req: Request, key: string, joins: boolean): MaybeLater {
    this.#keyBytes.setText(key);
    return this.#calls.answer(
      [key],
      () => this.#upstream.load(this.#keyBytes, joins),
      (value) => this.#respond(req, key, value),
      joins ? () => this.#respondStale(req, key) : undefined,
    );
  }

  #respond(req: Request, key: string, value: Buffer | null): MaybeLater {
    if (value === null) return keyNotFound();
    this.#keyBytes.setText(key);
    this.#found.begin(this.#keyBytes).appendBytes(value);
    return this.#found.end(req, () => this.#respond(req, key, value));
  }

  /** Returns undefined if no value may be served as stale. */
  #respondStale(req: Request, key: string): MaybeLater | undefined {
    this.#keyBytes.setText(key);
    const into = this.#found.begin(this.#keyBytes);
    if (this.#upstream.readStale(this.#keyBytes, into) === MISS) return undefined;
    return this.#found.end(req, this.get, STALE);
  }

  #respondAll(req: Request, values: readonly (Buffer | null)[]): MaybeLater {
    const { maxBodyBytes } = this.#parts.config;
    const response = this.#values;
    response.begin();
    for (const value of values) {
      const into = response.beginValue();
      if (value !== null) into.appendBytes(value);
      response.endValue(value !== null);
      if (response.length > maxBodyBytes)
        return this.#parts.reject(sizeError("answer", maxBodyBytes));
    }
    return response.end(req, () => this.#respondAll(req, values));
  }

  async #valueOf(key: string): Promise<Buffer | null> {
    const keyBytes = ByteBuffer.ofText(key);
    const value = new ByteBuffer(64);
    const nowMs = this.#parts.cache.clock.now();
    if (this.#upstream.read(keyBytes, nowMs, value) === MISS)
      return await this.#upstream.load(keyBytes, true);
    return value.bytes.subarray(0, value.end);
  }

  #remove(key: string | HttpError): MaybeLater {
    if (key instanceof HttpError) return this.#parts.reject(key);
    return this.#calls.write(key, ["DEL", key], (reply) => {
      return reply === "0" ? keyNotFound() : stored();
    });
  }

  #errorOfPut({ value, caching }: PutRequest): HttpError | undefined {
    const { cache, config } = this.#parts;
    if (caching !== undefined) return leftOut('"stale", "tags" or "lease"');
    if (Buffer.byteLength(value) <= cache.maxValueBytes) return undefined;
    return valueTooLarge(value, cache, config);
  }

  #putAll(entries: readonly PutRequest[]): Promise<Response> {
    const commands = entries.map(setArguments);
    return this.#calls.guard(async (claim) => {
      await claim.commandsOfBody(commands);
      const outcomes = await inParts(entries, async (entry) => {
        const slice = sliceOf(entry.key);
        const sending = this.#upstream.send("write", slice, setArguments(entry), [slice]);
        const [outcome] = await Promise.allSettled([sending]);
        return outcome;
      });
      const failed = outcomes.find((outcome) => outcome.status === "rejected");
      if (failed === undefined) return ok({ stored: entries.length });
      const done = outcomes.filter(({ status }) => status === "fulfilled").length;
      return this.#parts.reject(errorOf(failed.reason).after(`${done} were stored`));
    });
  }
}

function setArguments({ key, value, ttlMs }: PutRequest): (string | Buffer)[] {
  return ["SET", key, value, ...(ttlMs === undefined ? [] : ["PX", wholeMs(ttlMs)])];
}

/** Reads `fresh`, and rejects the parameters of leases and stale values. */
function readFresh(url: string): boolean | HttpError {
  const query = new URLSearchParams(url.slice(url.indexOf("?") + 1));
  for (const name of ["lease", "wait", "stale"]) if (query.has(name)) return leftOut(`"${name}"`);
  const fresh = query.get("fresh") ?? "0";
  if (["0", "1", "true", "false"].includes(fresh)) return fresh === "1" || fresh === "true";
  return new HttpError(400, '"fresh" is wrong; use 1 to ask the upstream, or 0');
}
