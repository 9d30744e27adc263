// CLIENT PAUSE: the commands of all clients of this port, or those that write, wait until a time that all workers
// share.

import type { CommandContext, CommandEntry } from "./commands/context.ts";
import type { Settings } from "./config-parameters.ts";
import type { Connection } from "./connection.ts";
import { NoRoomError } from "./protocol/reply.ts";

/** `lackedBytes` of a command that has to wait for the end of a pause. */
export const PAUSED = -1;

/** The command has to run again after the pause. */
class PausedError extends NoRoomError {
  constructor() {
    super(PAUSED);
  }
}

/** Commands that may write, or that reach other clients, without the flag "write". */
const MAY_WRITE: ReadonlySet<string> = new Set(["eval", "evalsha", "publish", "spublish"]);
/** The only way out of a long pause. */
const NEVER_PAUSED = "client|unpause";

/** Whether some commands fail or wait now. Read once for each batch of commands, as the time is. */
export function isLimited(context: CommandContext): boolean {
  return isLoading(context) || context.settings.pausedUntilMs > context.nowMs;
}

export function isLoading({ service }: CommandContext): boolean {
  return service.state.phase === "loading";
}

/** Throws if the command has to wait for the end of the pause that is on. */
export function checkPause(context: CommandContext, entry: CommandEntry): void {
  if (entry.name === NEVER_PAUSED) return;
  if (context.settings.pausesAll || mayWrite(context, entry)) throw new PausedError();
}

function mayWrite(context: CommandContext, { name, command }: CommandEntry): boolean {
  if (name !== "exec") return command.flags.includes("write") || MAY_WRITE.has(name);
  const { session, queued, table } = context;
  let found = false;
  const { transaction } = session;
  transaction?.forEach(queued, (number) => {
    const entry = table.entries[number];
    found = entry !== undefined && mayWrite(context, entry);
    return !found;
  });
  // The pool of commands is that of the next transaction too.
  transaction?.unload();
  return found;
}

/** Interval of the check whether the pause has ended; another worker may end it. */
const CHECK_EVERY_MS = 20;

/** The connections of a worker that wait for the end of the pause. */
export class PausedConnections {
  readonly #settings: Settings;
  readonly #now: () => number;
  readonly #resume: (connection: Connection) => void;
  #waiting: Connection[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;

  /** `resume` runs the commands of a connection. `now` returns the time of the cache's clock. */
  constructor(settings: Settings, now: () => number, resume: (connection: Connection) => void) {
    this.#settings = settings;
    this.#now = now;
    this.#resume = resume;
  }

  /** Holds a connection, whose socket the caller pauses, until the pause has ended. O(1). */
  hold(connection: Connection): void {
    connection.isQueued = true;
    this.#waiting.push(connection);
    this.#timer ??= setInterval(() => this.#check(), CHECK_EVERY_MS);
  }

  #check(): void {
    if (this.#settings.pausedUntilMs > this.#now()) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const connection of waiting) if (connection.isQueued) this.#resume(connection);
  }
}
