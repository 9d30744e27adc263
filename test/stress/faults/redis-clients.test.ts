// A worker ends while its Redis clients subscribe, track, watch and wait.

import { expect, test } from "bun:test";

import { freePort } from "../../lib/service.ts";
import { until } from "../../lib/until.ts";
import { commandBytes, connectRaw } from "../../service/resp/raw-client.ts";
import { FaultyService } from "./faults.ts";

const CLIENTS = 40;
type Client = Awaited<ReturnType<typeof connectRaw>>;
type State = { readonly client: Client; isClosed: boolean };

/** Opens clients that each send these commands, and waits until each has received `reply`. */
async function open(port: number, commands: readonly string[][], reply: string): Promise<State[]> {
  const states: State[] = [];
  for (let n = 0; n < CLIENTS; n++) {
    const state = { client: await connectRaw(port), isClosed: false };
    void state.client.closed.then(() => (state.isClosed = true));
    state.client.send(Buffer.concat(commands.map((words) => commandBytes(...words))));
    if (reply !== "") await state.client.until(reply);
    states.push(state);
  }
  return states;
}

/** Resolves once the client has received this text. */
async function received(client: Client, part: string): Promise<void> {
  for (;;) {
    if ((await client.until("\r\n")).includes(part)) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("a worker that ends takes its own subscriptions, watches and waits with it, and no others", async () => {
  const port = freePort();
  const service = await FaultyService.start(port);
  const subscribers = await open(port, [["subscribe", "news"]], ":1\r\n");
  const trackers = await open(
    port,
    [
      ["hello", "3"],
      ["client", "tracking", "on"],
      ["get", "tracked"],
    ],
    "+OK\r\n_\r\n",
  );
  const watchers = await open(port, [["watch", "watched"], ["multi"], ["ping"]], "+QUEUED\r\n");
  using holder = await connectRaw(port);
  holder.send(commandBytes("rc.get", "lease", "LEASE", "60"));
  await received(holder, "ms\r\n");
  const waiters = await open(port, [["rc.get", "lease", "LEASE", "60", "WAIT", "50"]], "");
  const all = [subscribers, trackers, watchers, waiters];

  service.fail({ thread: 1, how: "exit" });
  await service.restarted(1);
  const openOf = (states: readonly State[]) => states.filter(({ isClosed }) => !isClosed);
  await until("each group has lost clients", () =>
    all.every((states) => openOf(states).length < CLIENTS),
  );
  using own = await connectRaw(port);
  // The counts are those of the clients that are left, as soon as the sockets of the others have closed.
  own.send(commandBytes("publish", "news", "hello"));
  expect(await own.until("\r\n")).toBe(`:${openOf(subscribers).length}\r\n`);
  for (const { client } of openOf(subscribers)) await received(client, "hello\r\n");
  own.send(commandBytes("set", "tracked", "1"));
  for (const { client } of openOf(trackers))
    await received(client, "invalidate\r\n*1\r\n$7\r\ntracked\r\n");
  for (const { client } of openOf(watchers)) {
    client.send(commandBytes("exec"));
    expect(await client.until("+PONG\r\n")).toEndWith("*1\r\n+PONG\r\n");
  }
  own.send(commandBytes("rc.set", "lease", "the value"));
  for (const { client } of openOf(waiters)) await received(client, "the value");
  for (const { client } of all.flat()) client[Symbol.dispose]();
  await service.stop();
}, 60_000);
