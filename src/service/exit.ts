// The exit codes of the service and its subcommands, as sysexits.h numbers them.
// src/config/runtime-version.ts repeats EXIT_USAGE: it has to load in an old Bun.

export const EXIT_USAGE = 64;
export const EXIT_DATA = 65;
export const EXIT_NO_INPUT = 66;
export const EXIT_UNAVAILABLE = 69;
export const EXIT_SOFTWARE = 70;
export const EXIT_SYSTEM = 71;
export const EXIT_IO = 74;

/** The reason why the service does not start: one line for stderr, and the exit code. */
export class StartupError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}
