// The handlers of /incr, /ttl, /entry, /keys, /flush and /invalidate with --upstream.

import type { EngineReply } from "../../upstream/engine.ts";
import { inParts, PART_COMMANDS } from "../../upstream/parts.ts";
import { scanFrom } from "../../upstream/scan.ts";
import { readInvalidation } from "../api/decode-caching.ts";
import { readIncrement, readKeysQuery, readTtlChange } from "../api/decode-keyspace.ts";
import { readQueryKey } from "../api/decode.ts";
import { type KeyspaceHandlers, shownKey } from "../api/keyspace-handlers.ts";
import { jsonTextOf, keyNotFound, longJsonOf, ok, stored } from "../api/respond.ts";
import { HttpError } from "../error.ts";
import type { BodyHandler, Handler } from "../handler.ts";
import type { MaybeLater } from "../large-responses.ts";
import type { UpstreamApiParts } from "../upstream-api.ts";
import { leftOut, sliceOf, type UpstreamCalls, wholeMs } from "./calls.ts";

const BAD_CURSOR = new HttpError(
  400,
  '"cursor" is wrong; send the "cursor" of the last response, or leave it out to start',
);

export class UpstreamKeyspace implements KeyspaceHandlers {
  readonly #parts: UpstreamApiParts;
  readonly #calls: UpstreamCalls;

  constructor(parts: UpstreamApiParts, calls: UpstreamCalls) {
    this.#parts = parts;
    this.#calls = calls;
  }

  readonly incr: BodyHandler = (body) => {
    const { config, reject } = this.#parts;
    const request = readIncrement(body, config);
    if (request instanceof HttpError) return reject(request);
    const { key, by, ttlMs } = request;
    const adding = ["INCRBY", key, String(by)];
    const respond = (sum: EngineReply): MaybeLater =>
      jsonTextOf(`{"status":"OK","key":${JSON.stringify(key)},"value":${String(sum)}}`);
    if (ttlMs === undefined) return this.#calls.write(key, adding, respond);
    // A missing key gets its lifetime first. Between two commands the key could expire, and the counter
    // would never end.
    const creating = ["SET", key, "0", "PX", wholeMs(ttlMs), "NX"];
    return this.#calls.transact(key, [creating, adding], ([, sum = null]) => respond(sum));
  };

  readonly ttl: Handler = (req) => {
    const { config, reject } = this.#parts;
    const key = readQueryKey(req.url, config);
    if (key instanceof HttpError) return reject(key);
    return this.#calls.read(key, ["PTTL", key], (reply) => {
      const leftMs = Number(reply);
      if (leftMs === -2) return keyNotFound();
      return ok({ key, ttl: leftMs === -1 ? null : leftMs / 1000 });
    });
  };

  readonly setTtl: BodyHandler = (body) => {
    const { config, reject } = this.#parts;
    const request = readTtlChange(body, config);
    if (request instanceof HttpError) return reject(request);
    const { key, ttlMs } = request;
    return this.#calls.write(key, ["PEXPIRE", key, wholeMs(ttlMs)], (reply) => {
      return reply === "0" ? keyNotFound() : stored();
    });
  };

  readonly removeTtl: Handler = async (req) => {
    const { config, reject } = this.#parts;
    const key = readQueryKey(req.url, config);
    if (key instanceof HttpError) return reject(key);
    const persisting = this.#calls.write(key, ["PERSIST", key], stored);
    // PERSIST answers 0 for a missing key, and for one without a lifetime.
    const asking = this.#calls.read(key, ["EXISTS", key], (reply) => {
      return reply === "0" ? keyNotFound() : stored();
    });
    const [persisted, asked] = await Promise.all([persisting, asking]);
    return persisted.ok ? asked : persisted;
  };

  /** The upstream tells lifetime and size; what eviction counts is a fact of the upstream's own. */
  readonly entry: Handler = async (req) => {
    const { config, reject } = this.#parts;
    const key = readQueryKey(req.url, config);
    if (key instanceof HttpError) return reject(key);
    let leftMs = 0;
    let bytes = 0;
    const responses = await Promise.all([
      this.#calls.read(key, ["PTTL", key], (reply) => {
        leftMs = Number(reply);
        return leftMs === -2 ? keyNotFound() : stored();
      }),
      this.#calls.read(key, ["STRLEN", key], (reply) => {
        bytes = Number(reply);
        return stored();
      }),
    ]);
    const failed = responses.find((response) => !response.ok);
    if (failed !== undefined) return failed;
    const unknown = { memory_bytes: null, hits: null, age: null };
    const ttl = leftMs < 0 ? null : leftMs / 1000;
    return ok({ key, ttl, stale: 0, bytes, ...unknown, tags: 0, type: null });
  };

  readonly keys: Handler = (req) => {
    const { config, reject, large } = this.#parts;
    const start = req.url.indexOf("?");
    const query = new URLSearchParams(start < 0 ? "" : req.url.slice(start + 1));
    // The cursors of the upstream have 64 bits.
    const cursor = query.get("cursor") ?? "0";
    if (!/^\d{1,20}$/.test(cursor)) return reject(BAD_CURSOR);
    query.delete("cursor");
    const page = readKeysQuery(`?${query}`, config);
    if (page instanceof HttpError) return reject(page);
    const pattern = query.get("pattern");
    const options = ["COUNT", String(page.count), ...(pattern === null ? [] : ["MATCH", pattern])];
    return this.#calls.guard(async () => {
      const scanned = await scanFrom(this.#calls.upstream, BigInt(cursor), options);
      const next = scanned.cursor === 0n ? null : String(scanned.cursor);
      const members = { keys: scanned.keys.map(shownKey), cursor: next };
      return await longJsonOf({ status: "OK", ...members }, req, large, this.keys);
    });
  };

  readonly flush: Handler = () =>
    this.#calls.guard(async () => {
      await this.#calls.upstream.flush();
      return stored();
    });

  readonly invalidate: BodyHandler = (body) => {
    const { config, reject } = this.#parts;
    const request = readInvalidation(body, config);
    if (request instanceof HttpError) return reject(request);
    if (request.tags.length > 0) return reject(leftOut('"tags"'));
    const { upstream } = this.#calls;
    return this.#calls.guard(async (claim) => {
      await claim.commandsOfBody([request.keys], Math.min(request.keys.length, PART_COMMANDS));
      if (request.all) await upstream.flush();
      await inParts(request.keys, (key) => {
        const slice = sliceOf(key);
        return upstream.send("write", slice, ["DEL", key], [slice]);
      });
      return ok();
    });
  };
}
