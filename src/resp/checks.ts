// The checks of a command before it runs.

import { type Access, mayDo } from "../security/tokens.ts";
import type { CommandContext, CommandEntry, Origin } from "./commands/context.ts";
import { LOADING } from "./commands/failure.ts";
import {
  DEBUG_NOT_ALLOWED,
  inScript,
  inSubscription,
  isScript,
  NO_PERMISSION_IN_SCRIPT,
  NO_TOKEN,
} from "./commands/rejections.ts";
import { checkPause, isLoading } from "./pause.ts";

/** A rejection whose error is written already. */
export const WRITTEN = "";

/** Returns why the client may not run this command now, or undefined. WRITTEN: the error is written. */
export function rejectionOf(
  call: CommandContext,
  entry: CommandEntry,
  found: CommandEntry,
  origin: Origin | undefined,
): string | undefined {
  const { command, access, name } = entry;
  const { session, config, settings, nowMs } = call;
  const forScript = isScript(origin) ? inScript(call, entry, origin) : undefined;
  if (forScript !== undefined) return forScript;
  if (session.access !== "write" && !isAllowed(call, access, name, origin)) return WRITTEN;
  if (found.name === "debug" && !config.enableDebugCommand) return DEBUG_NOT_ALLOWED;
  const inContext = session.subscriber && inSubscription(session, name);
  if (inContext !== undefined) return inContext;
  if (isLoading(call) && !command.flags.includes("loading")) return LOADING.message;
  if (settings.pausedUntilMs > nowMs && origin === undefined) checkPause(call, entry);
  return undefined;
}

/** Returns whether the client may run a command that needs this access. Writes an error otherwise. */
export function isAllowed(
  { session, reply, service }: CommandContext,
  needs: Access,
  name: string,
  origin: Origin | undefined,
): boolean {
  if (mayDo(session.access, needs)) return true;
  const hasToken = session.access !== "open";
  service.rejections.add("resp", hasToken ? "read_only_token" : "no_token");
  if (isScript(origin)) reply.error(NO_PERMISSION_IN_SCRIPT);
  else
    reply.error(
      hasToken ? `NOPERM this user has no permissions to run the '${name}' command` : NO_TOKEN,
    );
  return false;
}
