// Why a service does not start: one line for people, and an exit code. Exit codes are as sysexits.h
// numbers them.

export const EXIT_USAGE = 64;
export const EXIT_DATA = 65;
export const EXIT_SOFTWARE = 70;
export const EXIT_SYSTEM = 71;
export const EXIT_IO = 74;

export class StartupError extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}
