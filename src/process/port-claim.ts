// The claim of a starting service on its port. Workers share the port by SO_REUSEPORT,
// and so could a second service, which would then get half of the connections unnoticed.
//
// The port is opened once without sharing it, which fails if anybody has it in any
// way. From before that until all workers have it, a socket named after the port keeps
// other starts waiting: in Linux's abstract namespace, which is as wide as that of
// ports (one network namespace) and is cleaned up with the process, however it ends.

import type { TCPSocketListener, UnixSocketListener } from "bun";

import { errorCode } from "../linux/error-code.ts";

/** The address cannot be had: `code` as the operating system names it. */
export class ListenError extends Error {
  readonly code: string;
  readonly port: number;

  constructor(code: string, port: number) {
    super(`cannot listen on ${port}: ${code}`);
    this.code = code;
    this.port = port;
  }
}

const SOCKET = { data() {} };
/** Another start on the same port takes less than a second. */
const WAIT_MS = 5000;
const LOOK_EVERY_MS = 20;

export class PortClaim {
  /** The port that is claimed: the one asked for, or a free one for 0. */
  readonly port: number;
  readonly #sign: UnixSocketListener<undefined> | undefined;

  private constructor(port: number, sign: UnixSocketListener<undefined> | undefined) {
    this.port = port;
    this.#sign = sign;
  }

  /** Claims the port until `release`. Throws ListenError if it cannot be had. */
  static async take(host: string, port: number): Promise<PortClaim> {
    const untilMs = performance.now() + WAIT_MS;
    for (;;) {
      // A free port is only known once it is open.
      const early = port === 0 ? undefined : putUpSign(port);
      const probe = early === "taken" ? undefined : open(host, port);
      const sign = probe !== undefined && port === 0 ? putUpSign(probe.port) : early;
      probe?.stop(true);
      if (probe !== undefined && sign !== "taken") return new PortClaim(probe.port, sign);
      if (performance.now() > untilMs) throw new ListenError("EADDRINUSE", port);
      await Bun.sleep(LOOK_EVERY_MS);
    }
  }

  /** The workers have the port: whoever opens it now hears that it is in use. */
  release(): void {
    this.#sign?.stop(true);
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

/** Undefined where there are no such names: there workers do not share a port either. */
function putUpSign(port: number): UnixSocketListener<undefined> | "taken" | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    return Bun.listen({ unix: `\0ringcache starts on ${port}`, socket: SOCKET });
  } catch (error) {
    if (errorCode(error) === "EADDRINUSE") return "taken";
    throw error;
  }
}
