// The protocol of sd_notify(3): a service tells systemd that it is ready, and that it still runs. Without
// systemd the variables are not set, and nothing happens.

import { dlopen, FFIType, ptr } from "bun:ffi";

import { libcPath } from "./libc.ts";

// linux: include/linux/socket.h, include/uapi/linux/un.h
const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0x80000;
/** MSG_DONTWAIT and MSG_NOSIGNAL: a reader with a full queue must not stop the service. */
const FLAGS = 0x40 | 0x4000;
const PATH_BYTES_MAX = 107;

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Reports that the service is ready. With WATCHDOG_USEC, also reports the turns of this thread's event loop
 * from now on, at twice the required rate. Returns false if systemd could not be reached.
 */
export function reportReady(env: Env): boolean {
  const { NOTIFY_SOCKET: socket = "", WATCHDOG_USEC: limit = "" } = env;
  if (socket === "") return true;
  const isSent = notify(socket, "READY=1");
  const everyMs = Number(limit) / 2000;
  if (everyMs > 0) setInterval(() => notify(socket, "WATCHDOG=1"), everyMs).unref();
  return isSent;
}

/** Sends a datagram to a socket by its path, or by its abstract name after "@". */
function notify(socket: string, state: string): boolean {
  const path = Buffer.from(socket);
  if (path.length > PATH_BYTES_MAX) return false;
  if (path[0] === "@".charCodeAt(0)) path[0] = 0;
  // A path ends with a zero, an abstract name with the address.
  const address = Buffer.concat([Uint8Array.of(AF_UNIX, 0), path, Buffer.alloc(path[0] ? 1 : 0)]);
  const message = Buffer.from(state);
  const { symbols, close } = dlopen(libcPath(), {
    socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
    sendto: {
      args: [
        ...([
          FFIType.i32,
          FFIType.ptr,
          FFIType.u64,
          FFIType.i32,
          FFIType.ptr,
          FFIType.u32,
        ] as const),
      ],
      returns: FFIType.i64,
    },
    close: { args: [FFIType.i32], returns: FFIType.i32 },
  });
  const descriptor = symbols.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (descriptor < 0) return false;
  const { length } = message;
  const to = ptr(address);
  const sent = symbols.sendto(descriptor, ptr(message), length, FLAGS, to, address.length);
  symbols.close(descriptor);
  close();
  return Number(sent) === length;
}
