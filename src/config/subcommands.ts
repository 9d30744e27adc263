// The subcommands of the program: src/main.ts runs them, and --help lists them.

import { nearest } from "./nearest.ts";

export const SUBCOMMANDS = {
  "check-snapshot": "print the contents of a snapshot file and its damages",
  health: "ask the service of this machine whether it serves; for health checks of containers",
  loadtest: "send requests to a running service, check each response, print throughput and latency",
  top: "show the stats of a running service once a second",
} as const;

export type Subcommand = keyof typeof SUBCOMMANDS;

/** A subcommand ends the process with its exit code. */
export type RunSubcommand = (args: readonly string[]) => Promise<void>;

export function isSubcommand(name: string): name is Subcommand {
  return Object.hasOwn(SUBCOMMANDS, name);
}

/** Returns the error for a name that is no subcommand: one line. */
export function unknownSubcommand(name: string): string {
  const near = nearest(name, Object.keys(SUBCOMMANDS));
  const known = near === undefined ? "" : ` did you mean "${near}"?`;
  return `unknown subcommand "${name}";${known} --help lists subcommands and options`;
}

/** Returns the part of --help about the subcommands. */
export function subcommandsHelp(): string {
  const names = Object.keys(SUBCOMMANDS);
  const width = Math.max(...names.map((name) => name.length));
  const rows = Object.entries(SUBCOMMANDS).map(
    ([name, help]) => `  ringcache ${name.padEnd(width)}  ${help}`,
  );
  return rows.join("\n");
}
