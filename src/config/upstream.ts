// The options of the upstream: the addresses of its servers, and what does not go together with them.

import { OptionError } from "./parse.ts";

/** A server of the upstream, as --upstream names it. */
export interface Seed {
  readonly host: string;
  readonly port: number;
}

/** The value of --upstream. */
export interface UpstreamAddress {
  readonly seeds: readonly Seed[];
  readonly usesTls: boolean;
  /** "" for the default user. */
  readonly user: string;
}

/** The options that `checkUpstream` reads. */
interface UpstreamOptions {
  readonly upstream: string;
  readonly upstreamPasswordFile: string;
  readonly upstreamTlsCa: string;
  readonly nearPrefix: string;
  readonly dataDir: string;
  readonly store: string;
  readonly eviction: string;
  readonly defaultTtl: number;
  readonly maxTtl: number;
}

const FORM = "use host:port,host:port or rediss://user@host:port";
const DEFAULT_PORT = 6379;

/** Returns the parts of --upstream. Throws OptionError, without the text: it may hold a password. */
export function readUpstream(text: string): UpstreamAddress {
  let usesTls: boolean | undefined;
  let user: string | undefined;
  const seeds = text.split(",").map((part): Seed => {
    const { protocol, url } = urlOf(part.trim());
    const partUser = userOf(url);
    if (url.password !== "") {
      throw new OptionError(
        "--upstream has a password, which other users of the machine can read; use --upstream-password-file",
      );
    }
    // A password with "/", "?" or "#" looks like this, too.
    if ((url.pathname !== "" && url.pathname !== "/") || url.search !== "" || url.hash !== "") {
      throw new OptionError(`--upstream has something behind the port; ${FORM}`);
    }
    const isTls = protocol === "rediss:";
    // A part without a protocol has that of the first one.
    if (protocol !== "" || usesTls === undefined) {
      if (usesTls !== undefined && usesTls !== isTls) {
        throw new OptionError("--upstream mixes redis:// and rediss://; use one of them for all");
      }
      usesTls = isTls;
    }
    if (partUser !== "" && user !== undefined && user !== partUser) {
      throw new OptionError("--upstream names two users; use one for all");
    }
    if (partUser !== "") user = partUser;
    const port = url.port === "" ? DEFAULT_PORT : Number(url.port);
    return { host: url.hostname.replace(/^\[(.*)\]$/, "$1"), port };
  });
  return { seeds, usesTls: usesTls ?? false, user: user ?? "" };
}

function urlOf(part: string): { protocol: string; url: URL } {
  const protocol = /^(rediss?:)\/\//.exec(part)?.[1] ?? "";
  const rest = part.slice(protocol === "" ? 0 : protocol.length + 2);
  // The parser keeps port 80 only under a scheme that it does not know.
  const url = URL.parse(`redis://${rest}`);
  if (url === null || url.hostname === "" || rest.includes("://")) {
    throw new OptionError(`--upstream is not a list of servers; ${FORM}`);
  }
  return { protocol, url };
}

function userOf({ username }: URL): string {
  try {
    return decodeURIComponent(username);
  } catch {
    throw new OptionError('--upstream has a user with a wrong "%"; write "%25" for "%"');
  }
}

/** Returns the prefixes of --near-prefix; none for all keys. */
export function nearPrefixes(text: string): string[] {
  return text === "" ? [] : text.split(",");
}

/** Throws OptionError if the options of the upstream do not go together with the others. */
export function checkUpstream(options: UpstreamOptions): void {
  if (options.upstream === "") {
    if (options.upstreamPasswordFile !== "" || options.upstreamTlsCa !== "") {
      throw new OptionError(
        "--upstream-password-file and --upstream-tls-ca need --upstream, which names the servers",
      );
    }
    return;
  }
  const { usesTls } = readUpstream(options.upstream);
  if (options.upstreamTlsCa !== "" && !usesTls) {
    throw new OptionError("--upstream-tls-ca needs TLS: use --upstream rediss://host:port");
  }
  checkPrefixes(nearPrefixes(options.nearPrefix));
  const reason = "with --upstream the entries belong to the upstream";
  if (options.dataDir !== "") {
    throw new OptionError(`--data-dir does not go with --upstream: ${reason}, which saves them`);
  }
  if (options.store === "map" || options.eviction === "none") {
    throw new OptionError(
      "--upstream needs --store shared and --eviction s3fifo: the near cache drops what it has no room for",
    );
  }
  if (options.defaultTtl > 0 || options.maxTtl > 0) {
    throw new OptionError(
      `--default-ttl and --max-ttl do not go with --upstream: ${reason}; --near-ttl limits the near values`,
    );
  }
}

/** The upstream rejects a prefix that is the beginning of another one. */
function checkPrefixes(prefixes: readonly string[]): void {
  for (const [index, prefix] of prefixes.entries()) {
    if (prefix === "") throw new OptionError("--near-prefix has an empty prefix; leave it out");
    const other = prefixes.find((text, n) => n !== index && text.startsWith(prefix));
    if (other !== undefined) {
      throw new OptionError(
        `--near-prefix: "${prefix}" is the beginning of "${other}"; the shorter one covers both`,
      );
    }
  }
}
