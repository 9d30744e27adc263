// Where a request comes from: whether a page of another origin sends it, and by what name it knows
// the service.
//
// A browser says in `Sec-Fetch-Site` where the page that sends a request is from, and no page can set
// that header. It holds behind every proxy, whatever Host the proxy passes on. Browsers without it
// (Safari before 16.4) name the page's origin in every request of another origin that may change
// something (fetch.spec.whatwg.org, "append a request `Origin` header"). One that has been led here by
// a name of the attacker's own (DNS rebinding) gives that name as Host.

/** Whether a page of another origin than the service's sends it: curl and the like send neither header. */
export function isForeign(headers: Headers): boolean {
  const site = headers.get("sec-fetch-site");
  // "none": the user typed the address. "same-site" is another origin.
  if (site !== null && site !== "") return site !== "same-origin" && site !== "none";
  const origin = headers.get("origin");
  if (origin === null) return false;
  // Behind a proxy that ends TLS only the scheme differs. "null" is no page's.
  const [, scheme = "", host = origin] = /^(https?):\/\/(.*)$/i.exec(origin) ?? [];
  const port = DEFAULT_PORTS[scheme.toLowerCase()];
  return withoutPort(host, port) !== withoutPort(headers.get("host") ?? undefined, port);
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: ":80", https: ":443" };

/** A host in lower case, without the port that its scheme implies. */
function withoutPort(host: string | undefined, port = ""): string | undefined {
  const lower = host?.toLowerCase();
  return port !== "" && lower?.endsWith(port) ? lower.slice(0, -port.length) : lower;
}

/** The name or address in a Host header, without the port, in lower case. */
export function hostNameOf(host: string | null): string {
  return (host ?? "").toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}

/** An address without brackets: no name has two colons. */
const IPV6 = /^[\da-f]*:[\da-f.]*:[\da-f:.]*$/i;

/** The names of --allowed-hosts; undefined if any will do. */
export function hostNamesOf(list: string): ReadonlySet<string> | undefined {
  if (list === "") return undefined;
  const names = list.split(",").map((name) => name.trim());
  // In a Host header the address ::1 is [::1].
  return new Set(names.map((name) => hostNameOf(IPV6.test(name) ? `[${name}]` : name)));
}
