// The Redis port of a worker: connections, timeouts and stats. pipeline.ts runs the commands.

import type { Socket } from "bun";

import type { Cache } from "../cache/cache.ts";
import type { Waiters } from "../caching/waiters.ts";
import type { Config } from "../config/config.ts";
import { Histogram } from "../shared-memory/histogram.ts";
import type { ProtocolStats } from "../metrics/protocol.ts";
import type { Service } from "../service/service.ts";
import type { TlsTexts } from "../security/tls.ts";
import { type Connection, closeWithError, isBlocked, newConnection } from "./connection.ts";
import { Clients } from "./clients.ts";
import { COMMAND_NAMES } from "./commands/table.ts";
import type { UpstreamCommands } from "./commands/context.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { RespEvents } from "./events.ts";
import { type Handlers, listen } from "./listener.ts";
import type { RespMemory } from "./memory.ts";
import { closeKilled, closeOverdue } from "./overdue.ts";
import { ClientTimeouts } from "./timeouts.ts";
import { Pipeline } from "./pipeline.ts";
import type { PushSink } from "./push/deliveries.ts";
import { Push } from "./push/push.ts";
import type { Receiver } from "./push/subscriber.ts";
import { Reply } from "./protocol/reply.ts";
import { RestCommands } from "./rest.ts";
import { Settings } from "./config-parameters.ts";
import { COMMANDS_MAX, RespCounters } from "./counters.ts";
import { respStats } from "./stats.ts";
import { Scripting } from "./scripting/scripting.ts";

/** Interval of the check for connections that must close. */
const CLOSE_CHECK_EVERY_MS = 100;
const SAMPLE_EVERY_MS = 1000;
const STOP_CHECK_EVERY_MS = 10;

/** The commands of a worker, which also serve requests of HTTP. */
export interface RespCommands {
  readonly rest: RestCommands;
  /**
   * Opens the listener. Several workers share one port. Throws the error of Bun.listen, which has a `code`,
   * if the address is not available.
   */
  readonly listen: () => RespServer;
}

export interface RespServer {
  /** The actual port, also where the configuration has port 0. */
  readonly port: number;
  readonly stats: ProtocolStats;
  /** Returns the number of commands that this worker has run. */
  readonly answered: () => number;
  /**
   * Opens a further listener with these certificates for new connections. Existing connections keep the
   * old certificates, and the old listener stays open until the stop.
   */
  renew(tls: TlsTexts): void;
  /** Stops accepting, waits up to `graceMs` until clients have read their replies, and closes all connections. */
  stop(graceMs: number): Promise<void>;
}

/** The parts of the process that the Redis port of one worker serves. */
export interface RespContext {
  readonly cache: Cache;
  readonly config: Config;
  readonly memory: RespMemory;
  readonly thread: number;
  readonly service: Service;
  /** The requests of both ports that wait for a value. */
  readonly waiters: Waiters;
  /** Undefined without --upstream. */
  readonly upstream?: UpstreamCommands | undefined;
}

/** The context of the port and the parts that its connections share. */
interface ServerParts extends RespContext {
  readonly events: RespEvents;
  readonly clients: Clients;
  readonly settings: Settings;
  readonly counters: RespCounters;
  readonly durations: Histogram;
  readonly dispatcher: Dispatcher;
  readonly pipeline: Pipeline;
  readonly push: Push;
  /** By the numbers of the clients. */
  readonly connections: Map<number, Connection>;
}

type Listener = ReturnType<typeof listen>;

/** Prepares the commands of a worker. */
export function createResp(context: RespContext, events: RespEvents): RespCommands {
  const parts = createParts(context, events);
  const { dispatcher, clients } = parts;
  return {
    rest: new RestCommands(context, dispatcher, clients),
    listen: () => serveParts(parts),
  };
}

/** Opens the listener as RespCommands.listen does. */
export function serveResp(context: RespContext, events: RespEvents): RespServer {
  return createResp(context, events).listen();
}

function serveParts(parts: ServerParts): RespServer {
  const { config, service, dispatcher } = parts;
  const handlers = connectionHandlers(parts);
  /** The current listener is the last one. The others have older certificates. */
  const listeners = [listen(config, config.respPort, service.tls, handlers)];
  const port = listeners[0]?.port ?? 0;
  const stopTimers = startTimers(parts);
  return {
    port,
    stats: respStats(parts.counters, parts.durations),
    answered: () => dispatcher.calls,
    renew: (tls) => void listeners.push(listen(config, port, tls, handlers)),
    async stop(graceMs) {
      stopTimers();
      parts.push.stop();
      await stopListening(listeners, parts.connections, graceMs);
    },
  };
}

function createParts(context: RespContext, events: RespEvents): ServerParts {
  const { cache, config, memory, thread, service, waiters } = context;
  const { budget } = service;
  const outputLimit = Math.min(config.respOutputLimit, budget.limitBytes);
  const reply = new Reply(outputLimit, (from, to) => budget.tryResize(from, to));
  const clients = new Clients(memory.clients, thread);
  const settings = new Settings(memory.settings, config);
  const counters = new RespCounters(memory.counters, thread, COMMAND_NAMES);
  const connections = new Map<number, Connection>();
  // The sink needs the pipeline, which runs the commands that need the messages.
  const sink = sinkTo(connections, clients, () => pipeline);
  const { feed } = cache;
  const parts = { sink, feed, clients, settings, counters };
  const push = new Push(memory.push, config, thread, parts);
  const scripts = new Scripting(memory, thread, budget, events.scriptLog);
  const { upstream } = context;
  const dispatcher = new Dispatcher({
    ...{ cache, config, service, waiters, reply, clients, settings, counters, push, scripts },
    upstream,
  });
  const durations = new Histogram(memory.durations, thread, COMMANDS_MAX);
  const pipeline = new Pipeline({
    ...{ cache, config, service, reply, dispatcher, clients, settings, push, counters },
    ...{ durations, events },
  });
  return {
    ...{ cache, config, memory, thread, service, events, clients, settings, counters, durations },
    ...{ dispatcher, pipeline, push, connections, waiters, upstream },
  };
}

/** Gives the messages for a session to its connection. */
function sinkTo(
  connections: ReadonlyMap<number, Connection>,
  clients: Clients,
  pipeline: () => Pipeline,
): PushSink {
  const connectionOf = ({ id }: Receiver): Connection | undefined => connections.get(id);
  return {
    canReceive: (session) => connectionOf(session) === session,
    sessionOf(id) {
      const connection = connections.get(id);
      if (connection === undefined || connection.isClosing) return undefined;
      return clients.isKilled(connection.row) ? undefined : connection;
    },
    isWaiting: (session) => connectionOf(session)?.isWaiting === true,
    flush: () => pipeline().flush(),
    push(session, bytes, start, end) {
      const connection = connectionOf(session);
      if (connection !== undefined) pipeline().push(connection, bytes, start, end);
    },
    closeSlow(session) {
      const connection = connectionOf(session);
      if (connection !== undefined) pipeline().closeSlow(connection);
    },
  };
}

function connectionHandlers(parts: ServerParts): Handlers {
  const { service, events, pipeline } = parts;
  return {
    binaryType: "buffer",
    open(socket) {
      service.activity.happened();
      accept(parts, socket);
    },
    data({ data: connection }, chunk) {
      service.activity.happened();
      if (connection !== undefined) pipeline.read(connection, chunk);
    },
    drain({ data: connection }) {
      if (connection !== undefined) pipeline.drain(connection);
    },
    close({ data: connection }) {
      if (connection !== undefined) removeConnection(parts, connection);
    },
    error: (_socket, error) => events.failed(error),
  };
}

/** Adds the connection of a new socket, or closes the socket with an error above --max-connections. */
function accept(parts: ServerParts, socket: Socket<Connection | undefined>): void {
  const { cache, config, service, events, clients, settings, counters, connections } = parts;
  counters.add("connectionsReceived", 1);
  if (counters.sum("connected") >= config.maxConnections) {
    service.rejections.add("resp", "connections");
    closeWithError(socket, "-ERR max number of clients reached\r\n");
    return;
  }
  const connection = newConnection(socket, clients, settings, service, cache.clock.now());
  socket.data = connection;
  connections.set(connection.id, connection);
  counters.add("connected", 1);
  events.connected?.("connected", connection.address);
}

/** Forgets a connection whose socket has closed. */
function removeConnection(parts: ServerParts, connection: Connection): void {
  const { events, clients, counters, pipeline, push, connections } = parts;
  pipeline.arrivals.finish(connection);
  connection.isClosing = true;
  connections.delete(connection.id);
  push.forget(connection);
  pipeline.closed(connection);
  clients.remove(connection.row);
  counters.add("connected", -1);
  events.connected?.("disconnected", connection.address);
}

/** Starts the check for connections that must close and the sampling. Returns a function that ends both. */
function startTimers(parts: ServerParts): () => void {
  const { cache, config, service, clients, counters, dispatcher, connections } = parts;
  const timeouts = new ClientTimeouts(config.slowClientTimeout, config.respIdleTimeout);
  const hasIdleLimit = config.respIdleTimeout > 0;
  const closeExpired = (): boolean =>
    closeOverdue(connections.values(), timeouts, service, cache.clock.now()) ||
    (hasIdleLimit && connections.size > 0);
  const sample = (): boolean => counters.sampleCommands(dispatcher.calls, SAMPLE_EVERY_MS);
  const endings = [
    service.activity.every(CLOSE_CHECK_EVERY_MS, closeExpired),
    service.activity.every(SAMPLE_EVERY_MS, sample),
    clients.onKill(() => closeKilled(connections.values(), clients)),
  ];
  return () => {
    for (const end of endings) end();
  };
}

/** Stops accepting, waits up to `graceMs` for blocked connections, and closes all of them. */
async function stopListening(
  listeners: readonly Listener[],
  connections: ReadonlyMap<number, Connection>,
  graceMs: number,
): Promise<void> {
  for (const listener of listeners) listener.stop();
  const untilMs = performance.now() + graceMs;
  const isAnyBlocked = () => [...connections.values()].some(isBlocked);
  while (isAnyBlocked() && performance.now() < untilMs) await Bun.sleep(STOP_CHECK_EVERY_MS);
  for (const { socket } of connections.values()) socket.end();
  for (const listener of listeners) listener.stop(true);
}
