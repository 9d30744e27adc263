// The options of `bun run top`.

import {
  helpText,
  OptionError,
  type OptionTable,
  type OptionValues,
  readOptions,
} from "../config/parse.ts";
import { secretOf } from "../security/secret-file.ts";

/** The service's own default, for an address that names no port. */
const DEFAULT_PORT = 7171;

const OPTIONS = {
  url: {
    kind: "text",
    flagOnly: true,
    default: `http://localhost:${DEFAULT_PORT}`,
    placeholder: "a URL or host:port",
    help: "where the service's HTTP port is; without http:// the port may be left out too",
  },
  authToken: {
    kind: "secret",
    default: "",
    help: "token of a service that asks for one; better in a file or the environment",
  },
  authTokenFile: {
    kind: "text",
    default: "",
    placeholder: "a file that holds the token and nothing else",
    help: "the token from a file",
  },
  once: { kind: "switch", default: false, flagOnly: true, help: "print one reading and stop" },
  plain: {
    kind: "switch",
    flagOnly: true,
    default: false,
    help: "print a line of name=value pairs a second, as where there is no terminal",
  },
  help: {
    kind: "switch",
    default: false,
    flagOnly: true,
    aliases: ["h"],
    help: "print this and stop",
  },
} as const satisfies OptionTable;

const ENV_PREFIX = "RINGCACHE_";

export type TopOptions = Omit<OptionValues<typeof OPTIONS>, "url"> & {
  /** The service's root, which ends with a slash. */
  readonly url: URL;
  /** "" without one. */
  readonly token: string;
};

export const HELP = `usage: bun run top [options]

The figures of a running service, once a second; q or Ctrl-C ends it.

${helpText(OPTIONS, ENV_PREFIX)}

NO_COLOR in the environment turns colours off.
Exit code: 64 a bad option, 69 there is no answer from the service.`;

/** Reads the command line; throws OptionError on the first bad option. */
export function readTopOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): TopOptions {
  const given = readOptions(OPTIONS, args, env, ENV_PREFIX);
  const token = secretOf(given.authToken, given.authTokenFile, "--auth-token");
  return { ...given, url: serviceUrl(given.url), token };
}

/** The service as a person names it, on the screen and in errors. */
export function addressOf(service: URL): string {
  return service.href.replace(/\/$/, "");
}

/** `host`, `host:port` or a URL, as the URL of the service's root. */
function serviceUrl(text: string): URL {
  const refuse = (why: string) => new OptionError(`--url: ${JSON.stringify(text)} ${why}`);
  const hasScheme = text.includes("://");
  const url = URL.parse(hasScheme ? text : `http://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw refuse("is not a URL of http or https, nor host:port");
  }
  // It would be shown on the screen and in errors.
  if (url.username !== "" || url.password !== "") {
    throw new OptionError("--url: a URL with a user or a password is not taken");
  }
  if (url.search !== "" || url.hash !== "") throw refuse("must end with its path");
  // A URL forgets ":80", so the text tells whether a port was named.
  const authority = text.split("/", 1)[0] ?? "";
  if (!hasScheme && !/:\d+$/.test(authority)) url.port = `${DEFAULT_PORT}`;
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}
