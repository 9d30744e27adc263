// The claim of this service on its port. Workers share the port by SO_REUSEPORT, and
// so could a second service, which would then get half of the connections unnoticed.
//
// The port is opened once without sharing it, which fails if anybody has it in any
// way. Until the workers have it, a socket of this service's own name keeps others
// of its kind away: in Linux's abstract namespace, which is as wide as that of ports
// (one network namespace) and is cleaned up with the process, however that ends.

/** The address cannot be had: `code` as the operating system names it. */
export class ListenError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`cannot listen: ${code}`);
    this.code = code;
  }
}

export class PortClaim {
  /** The port that is claimed: the one asked for, or a free one for 0. */
  readonly port: number;

  /** Claims the port until the process ends. Throws ListenError if it cannot be had. */
  constructor({ host, port }: { readonly host: string; readonly port: number }) {
    const socket = { data() {} };
    try {
      const opened = Bun.listen({ hostname: host, port, socket });
      this.port = opened.port;
      try {
        if (process.platform === "linux") {
          Bun.listen({ unix: `\0ringcache ${host}:${this.port}`, socket }).unref();
        }
      } finally {
        opened.stop(true);
      }
    } catch (error) {
      // A host name that means nothing has no code.
      const code = error instanceof Error && "code" in error ? String(error.code) : "EINVAL";
      throw new ListenError(code);
    }
  }
}
