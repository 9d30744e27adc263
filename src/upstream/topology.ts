// Reads what a server of the upstream says about its cluster: CLUSTER INFO, CLUSTER NODES and INFO.

export interface ClusterInfo {
  readonly isOk: boolean;
  readonly currentEpoch: number;
  /** Epoch, size and known nodes as one text: it changes when the topology may have changed. */
  readonly shape: string;
}

/** A primary that a server has listed. */
export interface ListedPrimary {
  /** The node's identity, of 40 hexadecimal digits. */
  readonly id: string;
  /** "" if the server that was asked does not know its own address. */
  readonly host: string;
  readonly port: number;
  /** First and last slot of each range. */
  readonly slots: readonly (readonly [first: number, last: number])[];
}

/** By the identity of a primary: an address or a name; "" for the host at which the answering server was reached. */
export type PreferredHosts = ReadonlyMap<string, string>;

/** Reads the answer of CLUSTER SLOTS: [first, last, [host or null, port, identity], replicas ...] for each range. */
export function readPreferredHosts(reply: unknown): PreferredHosts {
  const found = new Map<string, string>();
  for (const range of Array.isArray(reply) ? reply : []) {
    const [, , primary]: readonly unknown[] = Array.isArray(range) ? range : [];
    const [host, , id]: readonly unknown[] = Array.isArray(primary) ? primary : [];
    // "?": the server has no name that it could announce.
    if (id !== undefined) found.set(String(id), host === null || host === "?" ? "" : String(host));
  }
  return found;
}

/** Reads the answer of CLUSTER INFO. */
export function readClusterInfo(text: string): ClusterInfo {
  const fields = fieldsOf(text);
  const field = (name: string) => fields.get(name) ?? "";
  return {
    isOk: field("cluster_state") === "ok",
    currentEpoch: Number(field("cluster_current_epoch")),
    shape: `${field("cluster_current_epoch")}/${field("cluster_size")}/${field("cluster_known_nodes")}`,
  };
}

/** Reads the primaries in the answer of CLUSTER NODES, those without slots included. */
export function readClusterNodes(text: string): ListedPrimary[] {
  const found: ListedPrimary[] = [];
  for (const line of text.split("\n")) {
    const [id = "", address = "", flags = "", , , , , , ...slots] = line.trim().split(" ");
    const words = flags.split(",");
    if (!words.includes("master") || words.includes("noaddr") || words.includes("handshake"))
      continue;
    // host:port@bus, with a host name behind a comma.
    const [endpoint = ""] = address.split("@");
    const colon = endpoint.lastIndexOf(":");
    const ranges = slots
      .filter((range) => /^\d/.test(range))
      .map((range): readonly [number, number] => {
        const [first = "", last = first] = range.split("-");
        return [Number(first), Number(last)];
      });
    found.push({
      id,
      host: endpoint.slice(0, colon),
      port: Number(endpoint.slice(colon + 1)),
      slots: ranges,
    });
  }
  return found;
}

/** Reads the answer of INFO server. */
export function readServerInfo(text: string): { isCluster: boolean; runId: string } {
  const fields = fieldsOf(text);
  return {
    isCluster: (fields.get("redis_mode") ?? fields.get("server_mode")) === "cluster",
    runId: fields.get("run_id") ?? "",
  };
}

function fieldsOf(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return fields;
}
