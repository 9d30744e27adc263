// The claim of a starting service on its port. Workers share the port by SO_REUSEPORT. A second
// service could share it too, and would take half of the connections unnoticed.
//
// The claim opens the port once without sharing it, which fails if any socket has the port. A startup
// lock makes other starts wait, from before that until all workers listen. The lock is a Unix socket
// named after the port, in Linux's abstract namespace. Such a name is valid in one network namespace,
// as a port is, and ends with its process.

import type { TCPSocketListener, UnixSocketListener } from "bun";

import { errorCode } from "../linux/error-code.ts";

/** The address cannot be opened; `code` is the name that the operating system gives. */
export class ListenError extends Error {
  readonly code: string;
  readonly port: number;

  constructor(code: string, port: number) {
    super(`cannot listen on ${port}: ${code}`);
    this.code = code;
    this.port = port;
  }
}

type StartupLock = UnixSocketListener<undefined>;

const SOCKET = { data() {} };
/** Another start on the same port takes less than a second. */
const WAIT_MS = 5000;
const RETRY_MS = 20;

export class PortClaim {
  /** The claimed port: the requested one, or a free one for 0. */
  readonly port: number;
  readonly #startupLock: StartupLock | undefined;

  private constructor(port: number, startupLock: StartupLock | undefined) {
    this.port = port;
    this.#startupLock = startupLock;
  }

  /** Claims the port until `release`. Throws ListenError if the port cannot be opened. */
  static async take(host: string, port: number): Promise<PortClaim> {
    const endMs = performance.now() + WAIT_MS;
    for (;;) {
      // The number of a free port is known only once the port is open.
      const early = port === 0 ? undefined : tryLockStartup(port);
      const probe = early === "locked" ? undefined : open(host, port);
      const lock = probe !== undefined && port === 0 ? tryLockStartup(probe.port) : early;
      probe?.stop(true);
      if (probe !== undefined && lock !== "locked") return new PortClaim(probe.port, lock);
      if (performance.now() > endMs) throw new ListenError("EADDRINUSE", port);
      await Bun.sleep(RETRY_MS);
    }
  }

  /** Ends the claim once the workers listen: from then on, opening the port fails with EADDRINUSE. */
  release(): void {
    this.#startupLock?.stop(true);
  }
}

function open(host: string, port: number): TCPSocketListener<undefined> {
  try {
    return Bun.listen({ hostname: host, port, socket: SOCKET });
  } catch (error) {
    // The error of a host name that does not resolve has no code.
    throw new ListenError(errorCode(error) || "EINVAL", port);
  }
}

/** Returns undefined on other systems, where workers do not share a port either. */
function tryLockStartup(port: number): StartupLock | "locked" | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    return Bun.listen({ unix: `\0ringcache starts on ${port}`, socket: SOCKET });
  } catch (error) {
    if (errorCode(error) === "EADDRINUSE") return "locked";
    throw error;
  }
}
