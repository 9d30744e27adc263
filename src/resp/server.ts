// The Redis port of a worker: its connections, limits of time, and figures. pipeline.ts runs the commands.

import type { Cache } from "../cache/cache.ts";
import type { Config } from "../config/config.ts";
import { Histogram } from "../shared-memory/histogram.ts";
import type { ProtocolStats } from "../metrics/protocol.ts";
import type { Service } from "../service/service.ts";
import type { TlsTexts } from "../security/tls.ts";
import { type Connection, isBlocked, newConnection, sayAndClose } from "./connection.ts";
import { Clients } from "./clients.ts";
import { COMMAND_NAMES } from "./commands/table.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { RespEvents } from "./events.ts";
import { type Handlers, listen } from "./listener.ts";
import type { RespMemory } from "./memory.ts";
import { closeOverdue } from "./overdue.ts";
import { ClientTimeouts } from "./timeouts.ts";
import { Pipeline } from "./pipeline.ts";
import { Reply } from "./protocol/reply.ts";
import { Settings } from "./config-parameters.ts";
import { RespCounters } from "./counters.ts";

/** For clients that are to be closed. */
const LOOK_EVERY_MS = 100;
const SAMPLE_MS = 1000;

export interface RespServer {
  /** The port that was taken if 0 was asked for. */
  readonly port: number;
  readonly stats: ProtocolStats;
  /** Commands that this worker has run. */
  readonly answered: () => number;
  /**
   * Lets new connections have these certificates, from a listener of their own. Those that there are
   * go on with the old ones; the old listener is left to whoever can close it without them.
   */
  renew(tls: TlsTexts): void;
  /** Stops accepting, gives answers that wait `graceMs` to be read, and closes all connections. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Opens the listener, which several workers share on one port. Throws as Bun.listen does, with a
 * `code`, if the address cannot be had.
 */
export function serveResp(
  cache: Cache,
  config: Config,
  memory: RespMemory,
  thread: number,
  service: Service,
  events: RespEvents,
): RespServer {
  const { budget } = service;
  const outputLimit = Math.min(config.respOutputLimit, budget.limitBytes);
  const reply = new Reply(outputLimit, (from, to) => budget.tryResize(from, to));
  const clients = new Clients(memory.clients, thread);
  const settings = new Settings(memory.settings, config);
  const counters = new RespCounters(memory.counters, thread, COMMAND_NAMES);
  const dispatcher = new Dispatcher({ cache, config, service, reply, clients, settings, counters });
  const connections = new Set<Connection>();
  const durations = new Histogram(memory.durations, thread, COMMAND_NAMES.length);
  const pipeline = new Pipeline({
    ...{ config, service, reply, dispatcher, clients, settings, counters, durations, events },
  });

  const handlers: Handlers = {
    binaryType: "buffer",
    open(socket) {
      service.activity.happened();
      counters.add("connectionsReceived", 1);
      if (counters.sum("connected") >= config.maxConnections) {
        service.rejections.add("resp", "connections");
        sayAndClose(socket, "-ERR max number of clients reached\r\n");
        return;
      }
      const connection = newConnection(socket, clients, settings, service, cache.clock.now());
      socket.data = connection;
      connections.add(connection);
      counters.add("connected", 1);
      events.connected?.("connected", connection.address);
    },
    data({ data: connection }, chunk) {
      service.activity.happened();
      if (connection !== undefined) pipeline.read(connection, chunk);
    },
    drain({ data: connection }) {
      if (connection !== undefined) pipeline.drain(connection);
    },
    close({ data: connection }) {
      if (connection === undefined) return;
      connection.isClosing = true;
      connections.delete(connection);
      pipeline.closed(connection);
      clients.remove(connection.row);
      counters.add("connected", -1);
      events.connected?.("disconnected", connection.address);
    },
    error: (_socket, error) => events.failed(error),
  };
  /** The one that listens, behind those that have given up their port to the next. */
  const listeners = [listen(config, config.respPort, service.tls, handlers)];
  const port = listeners[0]?.port ?? 0;

  const timeouts = new ClientTimeouts(config.slowClientTimeout, config.respIdleTimeout);
  const hasIdleLimit = config.respIdleTimeout > 0;
  const look = (): boolean =>
    closeOverdue(connections, timeouts, clients, service, cache.clock.now()) ||
    (hasIdleLimit && connections.size > 0);
  const endings = [
    service.activity.every(LOOK_EVERY_MS, look),
    service.activity.every(SAMPLE_MS, () => counters.sampleCommands(dispatcher.calls, SAMPLE_MS)),
    clients.onKill(() => service.activity.wake()),
  ];

  return {
    port,
    renew: (tls) => void listeners.push(listen(config, port, tls, handlers)),
    answered: () => dispatcher.calls,
    stats: {
      protocol: "resp",
      commands: COMMAND_NAMES,
      statuses(command) {
        const { done, failed, rejected } = counters.commandSinceStart(command);
        return { ok: done, error: failed, rejected };
      },
      durations,
      clients: () => counters.sum("connected"),
    },
    async stop(graceMs) {
      for (const end of endings) end();
      for (const listener of listeners) listener.stop();
      const untilMs = performance.now() + graceMs;
      const waiting = () => [...connections].some(isBlocked);
      while (waiting() && performance.now() < untilMs) await Bun.sleep(10);
      for (const { socket } of connections) socket.end();
      for (const listener of listeners) listener.stop(true);
    },
  };
}
