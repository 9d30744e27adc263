// Random and mutated input for the Redis protocol, without sockets: parser, dispatcher
// and cache must take whatever comes, and answer with whole replies. What one round put
// under its own keys must be there after.

import { Tokens } from "../../../src/security/tokens.ts";
import { ByteBuffer, Cache, MISS, NEVER } from "../../../src/cache/cache.ts";
import { cacheOptionsOf, readConfig } from "../../../src/config/config.ts";
import { Clients, NO_ROW } from "../../../src/resp/clients.ts";
import { COMMAND_NAMES } from "../../../src/resp/commands/table.ts";
import { Waiters } from "../../../src/caching/waiters.ts";
import { Dispatcher } from "../../../src/resp/dispatcher.ts";
import { allocateResp } from "../../../src/resp/memory.ts";
import { COMMAND, ERROR, MORE, Parser, ParsedCommand } from "../../../src/resp/protocol/parser.ts";
import { OutputLimitError, Reply } from "../../../src/resp/protocol/reply.ts";
import { Scripting } from "../../../src/resp/scripting/scripting.ts";
import { Settings } from "../../../src/resp/config-parameters.ts";
import { RespCounters } from "../../../src/resp/counters.ts";
import type { Session } from "../../../src/resp/commands/context.ts";
import { Push } from "../../../src/resp/push/push.ts";
import type { Random } from "../../lib/random.ts";
import { createService } from "../../lib/service.ts";

/** What a fuzzed command may not do: it would undo what the check at the end looks for. */
const SKIPPED = new Set(["flushall", "flushdb", "swapdb"]);
const WORDS = [
  ...["k1", "k2", "k3", "1", "-1", "0", "10", "3.5", "inf", "nan", "*", "k?", "[a-", "\\", ""],
  ...["nx", "xx", "get", "ex", "px", "exat", "keepttl", "match", "count", "type", "string"],
  ...["9223372036854775807", "-9223372036854775808", "99999999999999999999", "1e400", "default"],
];
const KEPT = 100;

export interface FuzzFigures {
  readonly inputs: number;
  readonly commands: number;
  readonly protocolErrors: number;
  readonly kept: number;
}

/** Feeds `inputs` inputs; throws on the first that makes anything throw. */
export function fuzz(
  inputs: number,
  { below }: Random,
  progress: (done: number) => void,
): FuzzFigures {
  const options = ["--resp-output-limit", "1mb", "--resp-query-limit", "1mb", "--memory", "64mb"];
  const config = readConfig(["--workers", "1", ...options], {});
  const cache = Cache.create({ ...cacheOptionsOf(config), virtualNodes: 16 });
  const memory = allocateResp(config, 1);
  const reply = new Reply(config.respOutputLimit, () => true);
  const settings = new Settings(memory.settings, config);
  const tokens = new Tokens({ authToken: "1", readToken: "default" });
  const service = { ...createService(), tokens };
  const clients = new Clients(memory.clients, 0);
  const counters = new RespCounters(memory.counters, 0, COMMAND_NAMES);
  const sink = {
    canReceive: () => true,
    sessionOf: () => undefined,
    isWaiting: () => false,
    flush() {},
    push() {},
    closeSlow() {},
  };
  const { feed } = cache;
  const push = new Push(memory.push, config, 0, { sink, feed, clients, settings, counters });
  const dispatcher = new Dispatcher({
    ...{ cache, config, reply, settings, service, push, clients, counters },
    waiters: new Waiters(cache, config.maxWaiters),
    scripts: new Scripting(memory, 0, service.budget, () => {}),
  });
  const value = ByteBuffer.ofText("kept");
  for (let n = 0; n < KEPT; n++) cache.put(ByteBuffer.ofText(`kept:${n}`), value, NEVER, 0);

  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const word = (): string =>
    below(8) === 0
      ? String.fromCharCode(...Array.from({ length: below(20) }, () => below(256)))
      : pick(WORDS);
  const command = (): string => {
    const words = [...pick(COMMAND_NAMES).split("|"), ...Array.from({ length: below(6) }, word)];
    if (below(10) === 0) return `${words.join(" ")}\r\n`;
    return `*${words.length}\r\n${words.map((one) => `$${one.length}\r\n${one}\r\n`).join("")}`;
  };
  const mutate = (bytes: Buffer): Buffer => {
    const at = below(bytes.length + 1);
    switch (below(5)) {
      case 0:
        return bytes.subarray(0, at);
      case 1:
        return Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from([below(256)]),
          bytes.subarray(at),
        ]);
      case 2:
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(3))]);
      case 3:
        return Buffer.concat([bytes.subarray(at), bytes.subarray(0, at)]);
      default:
        if (bytes.length > 0) bytes[below(bytes.length)] = below(256);
        return bytes;
    }
  };

  let words = new ParsedCommand();
  let commands = 0;
  let protocolErrors = 0;
  for (let done = 0; done < inputs; done++) {
    if (done % 100_000 === 0) progress(done);
    let bytes: Buffer = Buffer.from(
      Array.from({ length: 1 + below(3) }, command).join(""),
      "latin1",
    );
    for (let times = below(4); times > 0; times--) bytes = mutate(bytes);
    const access = below(4) === 0 ? pick(["open", "read"] as const) : "write";
    const parser = new Parser(settings);
    parser.isTrusted = access !== "open";
    const session: Session = {
      ...{ id: 1, row: NO_ROW, address: "fuzz", localAddress: "fuzz", version: below(2) ? 2 : 3 },
      ...{
        access: "write",
        flags: "N",
        subscriptions: "",
        redirect: -1,
        subscriber: undefined,
        libName: "",
        libVersion: "",
        name: "",
        replies: "on",
        isClosing: false,
        ...{ database: below(2), transaction: undefined, watched: undefined },
      },
    };
    dispatcher.begin(session);
    for (let outcome = parser.next(bytes, bytes.length); outcome !== MORE;) {
      if (outcome === ERROR) {
        protocolErrors++;
        break;
      }
      if (outcome === COMMAND) words = parser.take(words);
      if (outcome === COMMAND && !SKIPPED.has(words.args[0]?.toWord() ?? "")) {
        commands++;
        try {
          dispatcher.prepare([words], 1, 0);
          dispatcher.run(0, 1);
        } catch (error) {
          if (!(error instanceof OutputLimitError)) {
            throw new Error(`input ${JSON.stringify(bytes.toString("latin1"))}`, { cause: error });
          }
        }
      }
      outcome = parser.next(bytes, bytes.length);
    }
    push.forget(session);
    reply.out.clear();
  }
  cache.maintenance.verify();
  let kept = 0;
  const into = new ByteBuffer();
  for (let n = 0; n < KEPT; n++) {
    if (cache.get(ByteBuffer.ofText(`kept:${n}`), 0, into) !== MISS) kept++;
  }
  return { inputs, commands, protocolErrors, kept };
}
