// The handlers of /redis: commands of the Redis port over HTTP, in the form of Upstash's REST API
// (upstash.com/docs/redis/features/restapi).

import type { HandlerContext } from "../context.ts";
import { HttpError } from "../error.ts";
import type { ListHandler } from "../handler.ts";
import { JSON_HEADERS } from "../headers.ts";
import { kindOf } from "../json.ts";
import type { MaybeLater } from "../large-responses.ts";
import type { RedisCommands } from "../redis-commands.ts";
import { textResponse } from "./respond.ts";

export interface RedisHandlers extends Readonly<
  Record<"command" | "pipeline" | "transaction", ListHandler>
> {}

/** Creates the handlers of one worker. */
export function createRedisHandlers(context: HandlerContext, redis: RedisCommands): RedisHandlers {
  const { config, service, reject, large } = context;

  const run = async (
    req: Request,
    commands: readonly (readonly Buffer[])[],
    isTransaction: boolean,
  ): Promise<string[]> => {
    const encoding = req.headers.get("upstash-encoding") === "base64" ? "base64" : "text";
    const { tokens } = service;
    // The request is admitted: its token has an access.
    const token = req.headers.get("authorization")?.replace(/^Bearer +/i, "") ?? "";
    const access = tokens.areNeeded ? (tokens.accessOf(token) ?? "open") : "write";
    return await redis.run({ commands, isTransaction, encoding, access, address: "http" });
  };
  const respond = (req: Request, text: string, status: number): MaybeLater => {
    const send = (): MaybeLater => textResponse(large, req, text, status, send);
    return send();
  };
  const runMany = async (
    list: readonly unknown[],
    req: Request,
    isTransaction: boolean,
  ): Promise<Response> => {
    const { maxBatchEntries } = config;
    if (list.length > maxBatchEntries) {
      const limit = `${maxBatchEntries}, the limit set by --max-batch-entries`;
      const message = `the body has ${list.length} commands; it may have ${limit}`;
      return reject(new HttpError(413, message, { reason: "batch_size" }));
    }
    const commands: (readonly Buffer[])[] = [];
    for (const [index, command] of list.entries()) {
      const args = readCommand(command, `command ${index}`);
      if (typeof args === "string") return wrong(args);
      commands.push(args);
    }
    const results = await run(req, commands, isTransaction);
    // A transaction that is discarded has one error.
    const [first = ""] = results;
    const isDiscarded = isTransaction && results.length === 1 && commands.length !== 1;
    const hasNoList = isDiscarded || (isTransaction && first.startsWith('{"error":"EXECABORT'));
    if (hasNoList) return await respond(req, first, 400);
    return await respond(req, `[${results.join(",")}]`, 200);
  };
  return {
    command: async (list, req) => {
      const args = readCommand(list, "the body");
      if (typeof args === "string") return wrong(args);
      const [result = ""] = await run(req, [args], false);
      return await respond(req, result, result.startsWith('{"error"') ? 400 : 200);
    },
    pipeline: (list, req) => runMany(list, req, false),
    transaction: (list, req) => runMany(list, req, true),
  };
}

/** Responds with an error in the form of this API. */
function wrong(message: string): Response {
  return new Response(JSON.stringify({ error: `ERR ${message}` }), WRONG_INIT);
}
const WRONG_INIT = { status: 400, headers: JSON_HEADERS };

/** Returns the arguments of a command: texts, and numbers and truth values as their texts; or an error. */
function readCommand(command: unknown, name: string): Buffer[] | string {
  if (!Array.isArray(command)) {
    return `${name} is ${kindOf(command)}; use an array such as ["GET","key"]`;
  }
  if (command.length === 0) {
    return `${name} is empty; use an array such as ["GET","key"]`;
  }
  const args: Buffer[] = [];
  for (const [index, value] of (command as readonly unknown[]).entries()) {
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") {
      const advice = "it must be a string or a number";
      return `argument ${index} of ${name} is ${kindOf(value)}; ${advice}`;
    }
    args.push(Buffer.from(String(value)));
  }
  return args;
}
