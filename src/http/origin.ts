// Where a request comes from: whether a page of somebody else sends it, and by what name
// it knows the service.
//
// A browser names the page's origin in every request that a page of another origin makes and
// that may change something (fetch.spec.whatwg.org, "append a request `Origin` header"). One that
// has been led here by a name of the attacker's own (DNS rebinding) gives that name as Host.

/** Whether a page of another origin than the service's sends it: what curl and the like send is not. */
export function isForeign(headers: Headers): boolean {
  if (headers.get("sec-fetch-site") === "cross-site") return true;
  const origin = headers.get("origin");
  if (origin === null) return false;
  // Behind a proxy that ends TLS only the scheme differs. "null" is nobody's.
  return origin.replace(/^https?:\/\//i, "").toLowerCase() !== headers.get("host")?.toLowerCase();
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
