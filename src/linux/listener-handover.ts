// The listening sockets of this process, and their replacement by new ones without a lost connection.
//
// The runtime closes a listener only along with its idle connections, and a closing socket loses the
// connections that it has not accepted yet. Therefore a packet filter makes the kernel give new
// connections only to the new sockets, and the old ones close once their queues are empty.

import { dlopen, FFIType, ptr } from "bun:ffi";
import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";

import { errorCode } from "./error-code.ts";
import { libcPath } from "./libc.ts";
import { tcpSocketsOn } from "./proc-net.ts";

const DESCRIPTORS = "/proc/self/fd";
/** Time for handshakes that began with an old socket. */
const HANDSHAKE_MS = 200;
const CHECK_EVERY_MS = 5;
/** A client that floods the port does not keep the old sockets open longer. */
const DRAIN_MS_MAX = 2000;

// linux: include/uapi/asm-generic/socket.h, include/uapi/linux/{bpf_common,filter}.h
const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const SOL_TCP = 6;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const SO_ATTACH_REUSEPORT_CBPF = 51;
const SO_DETACH_REUSEPORT_BPF = 68;
const LOAD_WORD = 0x20;
const RANDOM = -0x1000 + 56;
const MODULO = 0x94;
const ADD = 0x04;
const RETURN = 0x16;

const SETSOCKOPT = {
  args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.u32],
  returns: FFIType.i32,
} as const;

/** Returns the descriptors of the sockets that listen on a port. Linux only. O(descriptors + sockets). */
export function listenerDescriptors(port: number): number[] {
  const inodes = tcpSocketsOn(port, "listening").map(({ inode }) => `socket:[${inode}]`);
  return readdirSync(DESCRIPTORS)
    .map(Number)
    .filter((descriptor) => inodes.includes(readLink(descriptor)));
}

/** Redis does the same: three probes, each after a third of the time. */
const PROBES = 3;

/**
 * Makes the kernel probe the clients of a port after `seconds` of silence. Connections inherit the
 * option from the listening socket; the runtime does not set it for HTTP. Linux only: on other
 * systems, and with 0 seconds, this does nothing.
 */
export function enableKeepAlive(port: number, seconds: number): void {
  if (process.platform !== "linux" || seconds === 0) return;
  const { symbols, close } = dlopen(libcPath(), { setsockopt: SETSOCKOPT });
  const options = [
    [SOL_SOCKET, SO_KEEPALIVE, 1],
    [SOL_TCP, TCP_KEEPIDLE, seconds],
    [SOL_TCP, TCP_KEEPINTVL, Math.max(1, Math.floor(seconds / PROBES))],
    [SOL_TCP, TCP_KEEPCNT, PROBES],
  ] as const;
  for (const descriptor of listenerDescriptors(port)) {
    for (const [level, option, value] of options) {
      symbols.setsockopt(descriptor, level, option, ptr(new Int32Array([value])), 4);
    }
  }
  close();
}

/**
 * Drains and closes the listening sockets `old` of a port, after newer ones were opened. dup2 points
 * each descriptor at /dev/null instead of closing it: the runtime still owns the number and will close
 * it later, and no other thread can get it in between.
 */
export async function drainListeners(port: number, old: readonly number[]): Promise<void> {
  const [group] = old;
  const added = listenerDescriptors(port).length - old.length;
  if (group === undefined || added <= 0) return;
  const { symbols, close } = dlopen(libcPath(), {
    dup2: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
    setsockopt: SETSOCKOPT,
  });
  const program = chooseAmong(old.length, added);
  // If the kernel rejects the program, only connections that were not accepted yet are lost.
  symbols.setsockopt(group, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, ptr(program.header), 16);
  await Bun.sleep(HANDSHAKE_MS);
  const inodes = old.map(readLink);
  const isWaiting = () =>
    tcpSocketsOn(port, "listening").some(
      ({ inode, received }) => received > 0 && inodes.includes(`socket:[${inode}]`),
    );
  for (let ms = 0; ms < DRAIN_MS_MAX && isWaiting(); ms += CHECK_EVERY_MS) {
    await Bun.sleep(CHECK_EVERY_MS);
  }
  const devNull = openSync("/dev/null", "r");
  try {
    for (const descriptor of old) {
      if (symbols.dup2(devNull, descriptor) !== descriptor) {
        throw new Error(`dup2 failed on descriptor ${descriptor}`);
      }
    }
    const [newer] = listenerDescriptors(port);
    const unused = ptr(new Int32Array(1));
    if (newer !== undefined) {
      symbols.setsockopt(newer, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, unused, 4);
    }
  } finally {
    closeSync(devNull);
    close();
  }
}

/**
 * Returns a program of the kernel's packet filter. The program returns a random number from `first` to
 * `first + count - 1`: the kernel numbers the sockets of a port in the order in which they began to listen.
 */
function chooseAmong(first: number, count: number) {
  const steps = [
    [LOAD_WORD, RANDOM],
    [MODULO, count],
    [ADD, first],
    [RETURN, 0],
  ] as const;
  const code = Buffer.alloc(steps.length * 8);
  for (const [index, [operation, operand]] of steps.entries()) {
    code.writeUInt16LE(operation, index * 8);
    code.writeInt32LE(operand, index * 8 + 4);
  }
  const header = Buffer.alloc(16);
  header.writeUInt16LE(steps.length);
  header.writeBigUInt64LE(BigInt(ptr(code)), 8);
  // The caller must keep `code`: the header only has its address.
  return { header, code };
}

/** Returns "" if the descriptor was closed meanwhile. */
function readLink(descriptor: number): string {
  try {
    return readlinkSync(`${DESCRIPTORS}/${descriptor}`);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "";
    throw error;
  }
}
