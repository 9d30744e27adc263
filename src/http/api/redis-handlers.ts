// The handlers of /redis: commands of the Redis port over HTTP, in the form of Upstash's REST API
// (upstash.com/docs/redis/features/restapi).

import type { HandlerContext } from "../context.ts";
import { HttpError } from "../error.ts";
import type { ListHandler } from "../handler.ts";
import { JSON_HEADERS } from "../headers.ts";
import { kindOf } from "../json.ts";
import type { MaybeLater } from "../large-responses.ts";
import type { RedisArgument, RedisCommands, RedisResults } from "../redis-commands.ts";

export interface RedisHandlers extends Readonly<
  Record<"command" | "pipeline" | "transaction", ListHandler>
> {}

/** Bytes of garbage of a short command: its arguments as bytes, and its result. */
const GARBAGE_PER_COMMAND = 1024;

interface Shown {
  readonly text: string;
  readonly status: number;
}

/** Creates the handlers of one worker. */
export function createRedisHandlers(context: HandlerContext, redis: RedisCommands): RedisHandlers {
  const { config, service, reject, large } = context;

  /** Runs the commands, and responds with the text and the status that `show` makes of the results. */
  const run = (
    req: Request,
    commands: readonly (readonly RedisArgument[])[],
    isTransaction: boolean,
    show: (results: readonly string[]) => Shown,
  ): MaybeLater => {
    const encoding = req.headers.get("upstash-encoding") === "base64" ? "base64" : "text";
    const { tokens } = service;
    // The request is admitted: its token has an access.
    const token = req.headers.get("authorization")?.replace(/^Bearer +/i, "") ?? "";
    const access = tokens.areNeeded ? (tokens.accessOf(token) ?? "open") : "write";
    const respond = ({ results, bytes }: RedisResults): Response => {
      const { text, status } = show(results);
      large.leave(commands.length * GARBAGE_PER_COMMAND);
      return large.sendClaimedText(req, text, { headers: JSON_HEADERS, status }, bytes);
    };
    const outcome = redis.run({ commands, isTransaction, encoding, access, address: "http" });
    return outcome instanceof Promise ? outcome.then(respond) : respond(outcome);
  };
  const runMany = (list: readonly unknown[], req: Request, isTransaction: boolean): MaybeLater => {
    const { maxBatchEntries } = config;
    if (list.length > maxBatchEntries) {
      const limit = `${maxBatchEntries}, the limit set by --max-batch-entries`;
      const message = `the body has ${list.length} commands; it may have ${limit}`;
      return reject(new HttpError(413, message, { reason: "batch_size" }));
    }
    const commands: (readonly RedisArgument[])[] = [];
    for (const [index, command] of list.entries()) {
      const args = readCommand(command, `command ${index}`);
      if (typeof args === "string") return wrong(args);
      commands.push(args);
    }
    return run(req, commands, isTransaction, (results) => {
      // A transaction that is discarded has one error.
      const [first = ""] = results;
      const isDiscarded = isTransaction && results.length === 1 && commands.length !== 1;
      const hasNoList = isDiscarded || (isTransaction && first.startsWith('{"error":"EXECABORT'));
      if (hasNoList) return { text: first, status: 400 };
      return { text: `[${results.join(",")}]`, status: 200 };
    });
  };
  return {
    command: (list, req) => {
      const args = readCommand(list, "the body");
      if (typeof args === "string") return wrong(args);
      return run(req, [args], false, ([text = ""]) => {
        return { text, status: text.startsWith('{"error"') ? 400 : 200 };
      });
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

/** Returns the arguments of a command, or an error. */
function readCommand(command: unknown, name: string): readonly RedisArgument[] | string {
  if (!Array.isArray(command)) {
    return `${name} is ${kindOf(command)}; use an array such as ["GET","key"]`;
  }
  if (command.length === 0) {
    return `${name} is empty; use an array such as ["GET","key"]`;
  }
  for (const [index, value] of (command as readonly unknown[]).entries()) {
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") {
      const advice = "it must be a string or a number";
      return `argument ${index} of ${name} is ${kindOf(value)}; ${advice}`;
    }
  }
  return command as readonly RedisArgument[];
}
