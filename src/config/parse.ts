// Command-line options from a table: one row gives the flag, the environment variable, the default,
// the range, the help text and the row in the documents.
//
// Precedence: flag, environment, default. This file neither prints nor ends the process: it throws
// OptionError, and the caller reports the error.

import { parseArgs } from "node:util";

import { nearest } from "./nearest.ts";
import { BYTE_FORMS, formatBytes, isTime, parseBytes, parseTime, TIME_FORMS } from "./units.ts";

export { formatBytes };

interface Row<T> {
  readonly help: string;
  readonly default: T;
  /** Other spellings of the flag, without dashes. */
  readonly aliases?: readonly string[];
  /** A second variable, which is read if the first one is not set. */
  readonly alsoEnv?: string;
  /** The option has no variable. */
  readonly flagOnly?: boolean;
}
export interface NumberOption extends Row<number> {
  readonly kind: "integer" | "number";
  readonly min: number;
  readonly max: number;
  readonly unit?: string;
}
/** A whole number, or the word "auto". */
export interface AutoOption extends Row<"auto"> {
  readonly kind: "auto";
  readonly min: number;
  readonly max: number;
}
/** Bytes, with or without a unit; or the word "auto" if that is the default. */
export interface BytesOption extends Row<number | "auto"> {
  readonly kind: "bytes";
  readonly min: number;
  readonly max: number;
}
export interface ChoiceOption<T extends string = string> extends Row<T> {
  readonly kind: "choice";
  readonly of: readonly T[];
}
export interface SwitchOption extends Row<boolean> {
  readonly kind: "switch";
}
export interface TextOption extends Row<string> {
  readonly kind: "text";
  readonly placeholder: string;
}
/** Text that never appears in a message, table or log. */
export interface SecretOption extends Row<""> {
  readonly kind: "secret";
}
export type Option =
  NumberOption | AutoOption | BytesOption | ChoiceOption | SwitchOption | TextOption | SecretOption;

/** Options by their camel-case names: `maxKeyLength` is `--max-key-length`. */
export type OptionTable = Readonly<Record<string, Option>>;

/** The values of a table's options, by option name. */
export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T]: T[K] extends ChoiceOption<infer C>
    ? C
    : T[K] extends AutoOption | { readonly kind: "bytes"; readonly default: "auto" }
      ? number | "auto"
      : Widen<T[K]["default"]>;
};
type Widen<T> = T extends number ? number : T extends boolean ? boolean : string;

/** A bad option. The message is one line with the option, the value and the allowed values. */
export class OptionError extends Error {}

/**
 * Reads arguments and environment by a table. `envPrefix` ends with an underscore ("RINGCACHE_");
 * with undefined, the environment is not read. Throws OptionError on the first unknown flag, missing
 * or bad value, or stray argument.
 */
export function readOptions<T extends OptionTable>(
  table: T,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  envPrefix: string | undefined,
): OptionValues<T> {
  const rawValues = fromArguments(table, args);
  if (envPrefix !== undefined) addFromEnvironment(rawValues, table, env, envPrefix);
  const values = Object.entries(table).map(([name, row]) => [name, rawValues[name] ?? row.default]);
  return Object.fromEntries(values) as OptionValues<T>;
}

/** Returns "--max-key-length" for `maxKeyLength`. */
export function flagOf(name: string): string {
  return `--${kebab(name)}`;
}

/** Returns the variables of an option, in the order of reading: "RINGCACHE_MAX_KEY_LENGTH". */
export function variablesOf(name: string, row: Option, envPrefix: string): string[] {
  if (row.flagOnly === true) return [];
  const own = envPrefix + kebab(name).replaceAll("-", "_").toUpperCase();
  return row.alsoEnv === undefined ? [own] : [own, row.alsoEnv];
}

/** Returns variables that have the prefix and belong to no option: they are probably misspelt. */
export function unknownVariables(
  table: OptionTable,
  env: Readonly<Record<string, string | undefined>>,
  envPrefix: string,
): string[] {
  const known = allVariables(table, envPrefix);
  return Object.entries(env)
    .filter(([name, text = ""]) => !isServiceLink(name, text))
    .map(([name]) => name)
    .filter((name) => name.startsWith(envPrefix) && !known.includes(name));
}

/** Returns variables of options that Kubernetes has set for a service of that name; options ignore them. */
export function serviceLinks(
  table: OptionTable,
  env: Readonly<Record<string, string | undefined>>,
  envPrefix: string,
): string[] {
  return allVariables(table, envPrefix).filter((name) => isServiceLink(name, env[name] ?? ""));
}

function allVariables(table: OptionTable, envPrefix: string): string[] {
  return Object.entries(table).flatMap(([name, row]) => variablesOf(name, row, envPrefix));
}

/**
 * Kubernetes sets these variables in every pod beside a service: NAME_PORT=tcp://10.0.0.1:7171,
 * NAME_SERVICE_HOST, NAME_SERVICE_PORT_HTTP, NAME_PORT_7171_TCP, NAME_PORT_7171_TCP_ADDR.
 */
function isServiceLink(name: string, text: string): boolean {
  if (/_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name)) {
    return true;
  }
  return /_PORT$/.test(name) && /^(tcp|udp|sctp):\/\//.test(text);
}

/** Returns the allowed values of an option in words: "a whole number from 0 to 65535". */
export function allowedValues(row: Option): string {
  switch (row.kind) {
    case "integer":
    case "number": {
      const noun = row.kind === "integer" ? "a whole number" : "a number";
      const unit = row.unit === undefined ? "" : ` of ${row.unit}`;
      const forms = isTime(row.unit) ? `, ${TIME_FORMS}` : "";
      return `${noun}${unit} from ${row.min} to ${row.max}${forms}`;
    }
    case "bytes": {
      const auto = row.default === "auto" ? "auto or " : "";
      return `${auto}${BYTE_FORMS}, from ${formatBytes(row.min)} to ${formatBytes(row.max)}`;
    }
    case "auto":
      return `auto or a whole number from ${row.min} to ${row.max}`;
    case "choice":
      return row.of.join(" or ");
    case "switch":
      return "true or false";
    case "text":
      return row.placeholder;
    case "secret":
      return "visible characters of ASCII, 512 at most";
  }
}

/** Returns the --help text of a table: for each option its spellings, its meaning, and the allowed values. */
export function helpText(table: OptionTable, envPrefix: string | undefined): string {
  const options = Object.entries(table).map(([name, row]) => {
    const flags = [flagOf(name), ...(row.aliases ?? []).map((alias) => `-${alias}`)];
    const variables = envPrefix === undefined ? [] : variablesOf(name, row, envPrefix);
    const range = row.kind === "switch" ? "a switch" : `${allowedValues(row)}${defaultText(row)}`;
    return `  ${[...flags, ...variables].join(", ")}\n      ${row.help}\n      ${range}`;
  });
  return options.join("\n");
}

/** Returns the table in Markdown, for README.md and docs/operations.md. */
export function markdownTable(table: OptionTable, envPrefix: string): string {
  const inEnvironment = Object.entries(table).filter(([, row]) => row.flagOnly !== true);
  const rows = inEnvironment.map(([name, row]) => {
    const variables = variablesOf(name, row, envPrefix).map((variable) => `\`${variable}\``);
    const cells = [`\`${flagOf(name)}\``, variables.join(", "), `\`${defaultOf(row)}\``];
    const range = row.kind === "switch" ? "nothing, `=true` or `=false`" : allowedValues(row);
    return `| ${[...cells, range, row.help].join(" | ")} |`;
  });
  return [
    "| option | environment | default | allowed | what it does |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

type RawValues = Record<string, number | string | boolean>;

/** Adds the options without a flag. The variable of an option that has a flag is not read. */
function addFromEnvironment(
  rawValues: RawValues,
  table: OptionTable,
  env: Readonly<Record<string, string | undefined>>,
  envPrefix: string,
): void {
  for (const [name, row] of Object.entries(table)) {
    if (name in rawValues) continue;
    const variable = variablesOf(name, row, envPrefix).find((candidate) => {
      const text = env[candidate];
      if (text === undefined || isServiceLink(candidate, text)) return false;
      if (text.trim() !== "") return true;
      // Compose passes an unset `${TOKEN}` as an empty variable. An empty token or folder is an error, so
      // that nobody relies on it. An empty number or switch takes its default.
      if (row.kind !== "text" && row.kind !== "secret") return false;
      const state = text === "" ? "empty" : "has only white space";
      throw new OptionError(`${candidate} is set and ${state}; give it a value, or unset it`);
    });
    if (variable !== undefined) rawValues[name] = parseValue(variable, row, env[variable] ?? "");
  }
}

function fromArguments(table: OptionTable, args: readonly string[]): RawValues {
  const names = new Map<string, string>();
  for (const [name, row] of Object.entries(table)) {
    for (const spelling of [kebab(name), ...(row.aliases ?? [])]) names.set(spelling, name);
  }
  const types = [...names].map(([spelling, name]) => {
    return [spelling, { type: table[name]?.kind === "switch" ? "boolean" : "string" }] as const;
  });
  // "-port 1" is "--port 1": every name takes one dash or two.
  const normalized = args.map((arg) => (/^-[a-z]/.test(arg) ? `-${arg}` : arg));
  const { tokens } = parseArgs({
    args: normalized,
    options: Object.fromEntries(types),
    strict: false,
    tokens: true,
  });
  const rawValues: RawValues = {};
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") {
      throw new OptionError(`unexpected argument "${token.value}"; options start with --`);
    }
    const name = names.get(token.name);
    const row = name === undefined ? undefined : table[name];
    if (name === undefined || row === undefined) {
      const asGiven = args[token.index]?.split("=")[0] ?? token.rawName;
      const near = nearest(token.name, names.keys());
      const known = near === undefined ? "" : ` did you mean "--${near}"?`;
      throw new OptionError(`unknown option "${asGiven}";${known} --help lists the options`);
    }
    if (token.value === undefined && row.kind !== "switch") {
      throw new OptionError(`${token.rawName} needs a value: ${allowedValues(row)}`);
    }
    rawValues[name] = parseValue(token.rawName, row, token.value ?? "true");
  }
  return rawValues;
}

function parseValue(source: string, row: Option, text: string): number | string | boolean {
  const invalid = () => new OptionError(`${source}: "${text}" is not ${allowedValues(row)}`);
  switch (row.kind) {
    case "auto":
    case "integer":
    case "number": {
      if (row.kind === "auto" && text === "auto") return text;
      const shape = row.kind === "number" ? /^-?(\d+\.?\d*|\.\d+)$/ : /^-?\d+$/;
      const time = row.kind === "auto" ? undefined : parseTime(text, row.unit);
      const plain = time === undefined ? text : String(time);
      const value = Number(plain);
      if (!shape.test(plain) || value < row.min || value > row.max) throw invalid();
      return value;
    }
    case "bytes": {
      if (text === row.default) return text;
      const value = parseBytes(text);
      if (!(value >= row.min && value <= row.max)) throw invalid();
      return value;
    }
    case "choice":
      if (!row.of.includes(text)) throw invalid();
      return text;
    case "switch":
      if (/^(true|1|yes|on)$/i.test(text)) return true;
      if (/^(false|0|no|off)$/i.test(text)) return false;
      throw invalid();
    case "text":
      if (text.trim() === "") throw invalid();
      return text;
    case "secret":
      if (!isSecret(text)) throw new OptionError(`${source}: it must be ${allowedValues(row)}`);
      return text;
  }
}

/** Returns whether a text may be a secret: 1 to 512 visible characters of ASCII. */
export function isSecret(text: string): boolean {
  return /^[!-~]{1,512}$/.test(text);
}

function defaultText(row: Option): string {
  return row.default === "" ? "" : `; default ${defaultOf(row)}`;
}

function defaultOf(row: Option): string {
  const { default: value } = row;
  if (value === "") return "none";
  return row.kind === "bytes" && typeof value === "number" ? formatBytes(value) : String(value);
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
