// The connections of a port, as the kernel lists them. The runtime does not list HTTP connections.
//
// Netlink's sock_diag filters by port and state in the kernel: measured on 2 cores with 9,000
// connections of the port, 9 ms; from /proc/net/tcp, which has all sockets of the namespace and
// both ends of loopback connections, 45 ms. Without sock_diag, /proc/net/tcp is read.

import { dlopen, FFIType, ptr } from "bun:ffi";
import { readFileSync } from "node:fs";

import { errorCode } from "./error-code.ts";
import { libcPath } from "./libc.ts";
import { openDescriptors, whileDescriptorsLast } from "./resources.ts";
import { tcpSocketsOn } from "./proc-net.ts";
import { MAPPED_PREFIX } from "./endpoints.ts";

// linux: include/uapi/linux/{netlink,sock_diag,inet_diag}.h
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST_DUMP = 0x301;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const IPPROTO_TCP = 6;
/** Established, and closed only by the client: both hold a descriptor. */
const STATES = (1 << 1) | (1 << 8);
const MSG_DONTWAIT = 0x40;
const REQUEST_BYTES = 72;
const REPLY_BYTES = 64 * 1024;

/** Receives the key of each connection, and the inode of its socket: 0 until it is accepted. */
export type Visit = (key: string, inode: number) => void;

/** Lists the connections of a port. Returns their number, or undefined if the kernel did not list them. */
export type ListConnections = (port: number, visit: Visit | undefined) => number | undefined;

/** Returns the fastest way of this machine. It keeps one descriptor, so that it works when all others are taken. */
export function connectionLister(): ListConnections | undefined {
  if (process.platform !== "linux") return undefined;
  return overNetlink() ?? fromTable;
}

/**
 * Returns an upper bound of the number of connections, which changes when connections open or close:
 * the descriptors of this process, or the TCP sockets of the namespace before Linux 6.2. O(1).
 */
export function socketsAtMost(): number | undefined {
  const descriptors = openDescriptors();
  if (descriptors !== undefined) return descriptors;
  return whileDescriptorsLast(() => {
    const counts = readFileSync("/proc/net/sockstat", "latin1");
    return Number(/^TCP: inuse (\d+)/m.exec(counts)?.[1] ?? 0) + ipv6SocketsInUse();
  });
}

function ipv6SocketsInUse(): number {
  try {
    const counts = readFileSync("/proc/net/sockstat6", "latin1");
    return Number(/^TCP6: inuse (\d+)/m.exec(counts)?.[1] ?? 0);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return 0;
    throw error;
  }
}

/** Returns undefined if the kernel or a sandbox rejects sock_diag. */
function overNetlink(): ListConnections | undefined {
  const { symbols } = dlopen(libcPath(), {
    socket: { args: [FFIType.i32, FFIType.i32, FFIType.i32], returns: FFIType.i32 },
    send: {
      args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32],
      returns: FFIType.i64_fast,
    },
    recv: {
      args: [FFIType.i32, FFIType.ptr, FFIType.u64, FFIType.i32],
      returns: FFIType.i64_fast,
    },
  });
  const socket = symbols.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_SOCK_DIAG);
  if (socket < 0) return undefined;
  const reply = Buffer.alloc(REPLY_BYTES);
  const listFamily = (family: number, port: number, visit: Visit | undefined) => {
    const request = requestFor(family, port);
    if (Number(symbols.send(socket, ptr(request), request.length, 0)) < 0) return undefined;
    let count = 0;
    let isDone = false;
    while (!isDone) {
      const bytes = Number(symbols.recv(socket, ptr(reply), reply.length, MSG_DONTWAIT));
      if (bytes <= 0) return undefined;
      for (let offset = 0; offset < bytes; offset += (reply.readUInt32LE(offset) + 3) & ~3) {
        const type = reply.readUInt16LE(offset + 4);
        if (type === NLMSG_ERROR) return undefined;
        isDone ||= type === NLMSG_DONE;
        if (isDone) break;
        count++;
        visit?.(readKey(reply, offset), reply.readUInt32LE(offset + 84));
      }
    }
    return count;
  };
  const list: ListConnections = (port, visit) => {
    const ipv4 = listFamily(AF_INET, port, visit);
    const ipv6 = ipv4 === undefined ? undefined : listFamily(AF_INET6, port, visit);
    return ipv4 === undefined || ipv6 === undefined ? undefined : ipv4 + ipv6;
  };
  return list(0, undefined) === undefined ? undefined : list;
}

/** Returns a netlink header, followed by an inet_diag_req_v2. */
function requestFor(family: number, port: number): Buffer {
  const request = Buffer.alloc(REQUEST_BYTES);
  request.writeUInt32LE(REQUEST_BYTES, 0);
  request.writeUInt16LE(SOCK_DIAG_BY_FAMILY, 4);
  request.writeUInt16LE(NLM_F_REQUEST_DUMP, 6);
  request[16] = family;
  request[17] = IPPROTO_TCP;
  request.writeUInt32LE(STATES, 20);
  request.writeUInt16BE(port, 24);
  return request;
}

/** Reads the client's end from the inet_diag_msg after the netlink header at `offset`. */
function readKey(reply: Buffer, offset: number): string {
  const address =
    reply[offset + 16] === AF_INET
      ? MAPPED_PREFIX + reply.toString("latin1", offset + 40, offset + 44)
      : reply.toString("latin1", offset + 40, offset + 56);
  return address + reply.toString("latin1", offset + 22, offset + 24);
}

const fromTable: ListConnections = (port, visit) =>
  whileDescriptorsLast(() => {
    const sockets = tcpSocketsOn(port, "connected");
    for (const { remote, inode } of sockets) visit?.(keyInTable(remote), Number(inode));
    return sockets.length;
  });

/** Returns the key of "0100007F:1F90": an address in words of the machine's byte order, and a port. */
export function keyInTable(remote: string): string {
  const [address = "", port = ""] = remote.split(":");
  const bytes = Buffer.from(address, "hex");
  const prefix = bytes.length === 4 ? MAPPED_PREFIX : "";
  return prefix + bytes.swap32().toString("latin1") + Buffer.from(port, "hex").toString("latin1");
}
