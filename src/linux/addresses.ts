// IPv4 and IPv6 addresses: the address to listen on, and the text forms.

/** Returns "::", which also accepts IPv4; "0.0.0.0" on a machine without IPv6. */
export function anyAddress(canListenOn: (host: string) => boolean = canListen): string {
  return canListenOn("::") ? "::" : "0.0.0.0";
}

/** Returns whether a listener on a free port of the address can be opened. */
function canListen(hostname: string): boolean {
  try {
    Bun.listen({ hostname, port: 0, socket: { data() {} } }).stop(true);
    return true;
  } catch {
    // The runtime gives this error no code. Any other cause also stops the real listener, which reports it.
    return false;
  }
}

/** Returns an address without the brackets of an IPv6 address in a URL. */
export function withoutBrackets(host: string): string {
  return /^\[.*:.*\]$/.test(host) ? host.slice(1, -1) : host;
}

/**
 * Returns "1.2.3.4:80" or "[::1]:80". A mapped IPv4 address is written as IPv4. The address of a connection
 * is undefined if its client has reset it before the listener accepted it: as in Redis, that is "?:0".
 */
export function endpointText(address: string | undefined, port: number | undefined): string {
  if (address === undefined || port === undefined) return "?:0";
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, "");
  return plain.includes(":") ? `[${plain}]:${port}` : `${plain}:${port}`;
}
