// The sockets on which this process listens, and how others take their place.
//
// The runtime closes a listener only along with its idle connections, and what has come to a socket
// and was not accepted yet is lost when that closes. So the kernel is told to give new
// connections to the new sockets alone, and the old ones close when nothing is left in them.

import { dlopen, FFIType, ptr } from "bun:ffi";
import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";

import { errorCode } from "./error-code.ts";
import { libcPath } from "./libc.ts";
import { tcpSocketsOn } from "./proc-net.ts";

const DESCRIPTORS = "/proc/self/fd";
/** For connections whose handshake began with an old socket. */
const HANDSHAKE_MS = 200;
const LOOK_EVERY_MS = 5;
/** Whoever floods the port does not keep the old sockets for ever. */
const PATIENCE_MS = 2000;

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

/** Descriptors of this process's sockets that listen on a port. Linux only. O(descriptors + sockets). */
export function listeningOn(port: number): number[] {
  const inodes = tcpSocketsOn(port, "listening").map(({ inode }) => `socket:[${inode}]`);
  return readdirSync(DESCRIPTORS)
    .map(Number)
    .filter((descriptor) => inodes.includes(linkOf(descriptor)));
}

/** As redis: three questions, a third of the time apart. */
const QUESTIONS = 3;

/**
 * Makes the kernel ask clients of a port that have been silent for so many seconds whether they are still
 * there. Connections take the option from the socket that listens; the runtime sets it on none of
 * HTTP. Linux only; elsewhere, and with 0 seconds, it does nothing.
 */
export function keepAlive(port: number, seconds: number): void {
  if (process.platform !== "linux" || seconds === 0) return;
  const { symbols, close } = dlopen(libcPath(), { setsockopt: SETSOCKOPT });
  const options = [
    [SOL_SOCKET, SO_KEEPALIVE, 1],
    [SOL_TCP, TCP_KEEPIDLE, seconds],
    [SOL_TCP, TCP_KEEPINTVL, Math.max(1, Math.floor(seconds / QUESTIONS))],
    [SOL_TCP, TCP_KEEPCNT, QUESTIONS],
  ] as const;
  for (const descriptor of listeningOn(port)) {
    for (const [level, option, value] of options) {
      symbols.setsockopt(descriptor, level, option, ptr(new Int32Array([value])), 4);
    }
  }
  close();
}

/**
 * Closes sockets that listen on a port beside others that were opened after them. Their
 * descriptors stay open on nothing, for whoever believes that they are his to close: dup2 does both in
 * one step, so no other thread can be given the number.
 */
export async function closeListening(port: number, old: readonly number[]): Promise<void> {
  const [group] = old;
  const added = listeningOn(port).length - old.length;
  if (group === undefined || added <= 0) return;
  const { symbols, close } = dlopen(libcPath(), {
    dup2: { args: [FFIType.i32, FFIType.i32], returns: FFIType.i32 },
    setsockopt: SETSOCKOPT,
  });
  const program = chooseAmong(old.length, added);
  // Where the kernel takes no program, those that have not been accepted are lost, and no others.
  symbols.setsockopt(group, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, ptr(program.header), 16);
  await Bun.sleep(HANDSHAKE_MS);
  const inodes = old.map(linkOf);
  const isWaiting = () =>
    tcpSocketsOn(port, "listening").some(
      ({ inode, received }) => received > 0 && inodes.includes(`socket:[${inode}]`),
    );
  for (let ms = 0; ms < PATIENCE_MS && isWaiting(); ms += LOOK_EVERY_MS) {
    await Bun.sleep(LOOK_EVERY_MS);
  }
  const nothing = openSync("/dev/null", "r");
  try {
    for (const descriptor of old) {
      if (symbols.dup2(nothing, descriptor) !== descriptor) {
        throw new Error(`dup2 failed on descriptor ${descriptor}`);
      }
    }
    const [next] = listeningOn(port);
    const none = ptr(new Int32Array(1));
    if (next !== undefined) {
      symbols.setsockopt(next, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, none, 4);
    }
  } finally {
    closeSync(nothing);
    close();
  }
}

/**
 * A program of the kernel's packet filter that answers a number from `first` on, at random among
 * `count`: sockets that share a port are numbered in the order in which they began to listen.
 */
function chooseAmong(first: number, count: number) {
  const steps = [
    [LOAD_WORD, RANDOM],
    [MODULO, count],
    [ADD, first],
    [RETURN, 0],
  ] as const;
  const code = Buffer.alloc(steps.length * 8);
  for (const [n, [operation, operand]] of steps.entries()) {
    code.writeUInt16LE(operation, n * 8);
    code.writeInt32LE(operand, n * 8 + 4);
  }
  const header = Buffer.alloc(16);
  header.writeUInt16LE(steps.length);
  header.writeBigUInt64LE(BigInt(ptr(code)), 8);
  // The header's pointer does not keep the code.
  return { header, code };
}

/** "" for one that was closed meanwhile. */
function linkOf(descriptor: number): string {
  try {
    return readlinkSync(`${DESCRIPTORS}/${descriptor}`);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "";
    throw error;
  }
}
