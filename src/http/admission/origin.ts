// The origin of a request: whether a page of another origin sends it, and the name of the service that
// it uses.
//
// A browser sets `Sec-Fetch-Site` to the relation between the page and the service, and no page can set
// that header. It is valid behind every proxy, whatever Host the proxy passes on. Browsers without it
// (Safari before 16.4) send the page's origin in each request of another origin that may change
// something (fetch.spec.whatwg.org, "append a request `Origin` header"). A browser that reaches the
// service by a name of the attacker (DNS rebinding) sends that name as Host.

/** Whether a page of another origin sends the request. Clients that are no browser send neither header. */
export function isForeign(headers: Headers): boolean {
  const site = headers.get("sec-fetch-site");
  // "none": the user typed the address. "same-site" is another origin.
  if (site !== null && site !== "") return site !== "same-origin" && site !== "none";
  const origin = headers.get("origin");
  if (origin === null) return false;
  // Behind a proxy that ends TLS only the scheme differs. "null" equals no host.
  const [, scheme = "", host = origin] = /^(https?):\/\/(.*)$/i.exec(origin) ?? [];
  const port = DEFAULT_PORTS[scheme.toLowerCase()];
  return withoutPort(host, port) !== withoutPort(headers.get("host") ?? undefined, port);
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: ":80", https: ":443" };

/** Returns a host in lower case, without the default port of its scheme. */
function withoutPort(host: string | undefined, port = ""): string | undefined {
  const lower = host?.toLowerCase();
  return port !== "" && lower?.endsWith(port) ? lower.slice(0, -port.length) : lower;
}

/** Returns the name or address in a Host header in lower case, without the port. */
export function hostNameOf(host: string | null): string {
  return (host ?? "").toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}

/** An IPv6 address without brackets: no name has two colons. */
const IPV6 = /^[\da-f]*:[\da-f.]*:[\da-f:.]*$/i;

/** Returns the names of --allowed-hosts; undefined if all names are allowed. */
export function hostNamesOf(list: string): ReadonlySet<string> | undefined {
  if (list === "") return undefined;
  const names = list.split(",").map((name) => name.trim());
  // In a Host header the address ::1 is [::1].
  return new Set(names.map((name) => hostNameOf(IPV6.test(name) ? `[${name}]` : name)));
}
