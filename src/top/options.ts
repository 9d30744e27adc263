// The options of `ringcache top`.

import {
  helpText,
  OptionError,
  type OptionTable,
  type OptionValues,
  readOptions,
} from "../config/parse.ts";
import { readSecret } from "../security/secret-file.ts";

/** The service's default port, for an address without a port. */
const DEFAULT_PORT = 7171;

const OPTIONS = {
  url: {
    kind: "text",
    flagOnly: true,
    default: `http://localhost:${DEFAULT_PORT}`,
    placeholder: "a URL or host:port",
    help: `address of the service's HTTP port; host alone means port ${DEFAULT_PORT}`,
  },
  authToken: {
    kind: "secret",
    default: "",
    help: "token of the service, if it requires one; a file or the environment is safer",
  },
  authTokenFile: {
    kind: "text",
    default: "",
    placeholder: "a file that contains only the token",
    help: "file with the token of the service",
  },
  once: { kind: "switch", default: false, flagOnly: true, help: "print one reading and stop" },
  plain: {
    kind: "switch",
    flagOnly: true,
    default: false,
    help: "print one line of name=value pairs per second; the default without a terminal",
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
  /** The root of the service; it ends with a slash. */
  readonly url: URL;
  /** "" without one. */
  readonly token: string;
};

export const HELP = `usage: ringcache top [options]

Shows the stats of a running service once a second. q or Ctrl-C quits, ? shows help.

${helpText(OPTIONS, ENV_PREFIX)}

NO_COLOR in the environment turns colours off.
Exit code: 64 an invalid option, 69 the service sends no stats.`;

/** Reads the command line; throws OptionError on the first bad option. */
export function readTopOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): TopOptions {
  const values = readOptions(OPTIONS, args, env, ENV_PREFIX);
  const token = readSecret(values.authToken, values.authTokenFile, "--auth-token");
  return { ...values, url: serviceUrl(values.url), token };
}

/** Returns the address of the service for the screen and for errors. */
export function addressOf(service: URL): string {
  return service.href.replace(/\/$/, "");
}

/** Parses `host`, `host:port` or a URL into the URL of the service's root. */
function serviceUrl(text: string): URL {
  const invalid = (reason: string) => new OptionError(`--url: ${JSON.stringify(text)} ${reason}`);
  const hasScheme = text.includes("://");
  const url = URL.parse(hasScheme ? text : `http://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw invalid("is neither an http or https URL nor host:port");
  }
  // The screen and errors would show the password.
  if (url.username !== "" || url.password !== "") {
    throw new OptionError("--url: a URL with a user or a password is not allowed");
  }
  if (url.search !== "" || url.hash !== "") throw invalid("must end with its path");
  // URL drops the port ":80", so the text decides whether a port was given.
  const authority = text.split("/", 1)[0] ?? "";
  if (!hasScheme && !/:\d+$/.test(authority)) url.port = `${DEFAULT_PORT}`;
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}
