/** Returns the system's name of an error, such as "ENOENT", or "" for an error without one. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
