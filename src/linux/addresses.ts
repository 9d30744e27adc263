// Addresses of IPv4 and IPv6: which to listen on, and how they are written.

/** "::", which takes IPv4 too, or "0.0.0.0" where the machine has no IPv6. */
export function anyAddress(canListenOn: (host: string) => boolean = canListen): string {
  return canListenOn("::") ? "::" : "0.0.0.0";
}

/** On any free port. */
function canListen(hostname: string): boolean {
  try {
    Bun.listen({ hostname, port: 0, socket: { data() {} } }).stop(true);
    return true;
  } catch {
    // The runtime gives this error no code. Any other cause stops the real listener too, which reports it.
    return false;
  }
}

/** An address without the brackets that a URL puts around one of IPv6. */
export function withoutBrackets(host: string): string {
  return /^\[.*:.*\]$/.test(host) ? host.slice(1, -1) : host;
}

/** "1.2.3.4:80", or "[::1]:80". An IPv4 client of a socket for both families appears as IPv4. */
export function endpointText(address: string, port: number): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  return plain.includes(":") ? `[${plain}]:${port}` : `${plain}:${port}`;
}
