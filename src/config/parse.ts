// Command-line options from a table: one row gives the flag, the environment
// variable, the default, the range, the help text and the row of the documents.
//
// Precedence: flag, then environment, then default. Nothing here ends the
// process or prints: a bad option is an OptionError, which the caller reports.

import { parseArgs } from "node:util";

import { BYTE_FORMS, bytesOf, bytesText, isTime, TIME_FORMS, timeOf } from "./units.ts";

export { bytesText };

interface Row<T> {
  readonly help: string;
  readonly default: T;
  /** One-letter or historical spellings of the flag, without dashes. */
  readonly aliases?: readonly string[];
  /** A variable read when the table's own one is not set. */
  readonly alsoEnv?: string;
  /** Read from no variable. */
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
/** Bytes, with a unit or without, or the word "auto" where that is the default. */
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
/** Text that no message, table or log may repeat. */
export interface SecretOption extends Row<""> {
  readonly kind: "secret";
}
export type Option =
  NumberOption | AutoOption | BytesOption | ChoiceOption | SwitchOption | TextOption | SecretOption;

/** Options by their camel-case names: `maxKeyLength` is `--max-key-length`. */
export type OptionTable = Readonly<Record<string, Option>>;

/** What reading a table gives: each option's name with a value of its kind. */
export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T]: T[K] extends ChoiceOption<infer C>
    ? C
    : T[K] extends AutoOption | { readonly kind: "bytes"; readonly default: "auto" }
      ? number | "auto"
      : Widen<T[K]["default"]>;
};
type Widen<T> = T extends number ? number : T extends boolean ? boolean : string;

/** One line that names the option, the value and what is allowed. */
export class OptionError extends Error {}

/**
 * Reads arguments and environment through a table.
 * `envPrefix` with its underscore ("RINGCACHE_"), or undefined to read no environment.
 * Throws OptionError on the first unknown flag, missing or bad value, or stray argument.
 */
export function readOptions<T extends OptionTable>(
  table: T,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  envPrefix: string | undefined,
): OptionValues<T> {
  const given = fromArguments(table, args);
  if (envPrefix !== undefined) addFromEnvironment(given, table, env, envPrefix);
  const values = Object.entries(table).map(([name, row]) => [name, given[name] ?? row.default]);
  return Object.fromEntries(values) as OptionValues<T>;
}

/** `maxKeyLength` to `--max-key-length`. */
export function flagOf(name: string): string {
  return `--${kebab(name)}`;
}

/** The variables an option is read from, in order: `maxKeyLength` to `RINGCACHE_MAX_KEY_LENGTH`. */
export function variablesOf(name: string, row: Option, envPrefix: string): string[] {
  if (row.flagOnly === true) return [];
  const own = envPrefix + kebab(name).replaceAll("-", "_").toUpperCase();
  return row.alsoEnv === undefined ? [own] : [own, row.alsoEnv];
}

/** Variables with the prefix that no option is read from: most likely misspelt. */
export function unknownVariables(
  table: OptionTable,
  env: Readonly<Record<string, string | undefined>>,
  envPrefix: string,
): string[] {
  const known = namesOf(table, envPrefix);
  return Object.entries(env)
    .filter(([name, text = ""]) => !isServiceLink(name, text))
    .map(([name]) => name)
    .filter((name) => name.startsWith(envPrefix) && !known.includes(name));
}

/** Variables of options that Kubernetes has set for a service of that name; no option is read from them. */
export function serviceLinks(
  table: OptionTable,
  env: Readonly<Record<string, string | undefined>>,
  envPrefix: string,
): string[] {
  return namesOf(table, envPrefix).filter((name) => isServiceLink(name, env[name] ?? ""));
}

function namesOf(table: OptionTable, envPrefix: string): string[] {
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

/** What values a row takes, in words: "a whole number from 0 to 65535". */
export function allowed(row: Option): string {
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
      return `${auto}${BYTE_FORMS}, from ${bytesText(row.min)} to ${bytesText(row.max)}`;
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

/** The `--help` text of a table, three short lines an option: spellings, meaning, what is allowed. */
export function helpText(table: OptionTable, envPrefix: string | undefined): string {
  const options = Object.entries(table).map(([name, row]) => {
    const flags = [flagOf(name), ...(row.aliases ?? []).map((alias) => `-${alias}`)];
    const variables = envPrefix === undefined ? [] : variablesOf(name, row, envPrefix);
    const range = row.kind === "switch" ? "a switch" : `${allowed(row)}${defaultText(row)}`;
    return `  ${[...flags, ...variables].join(", ")}\n      ${row.help}\n      ${range}`;
  });
  return options.join("\n");
}

/** The table as Markdown, as the README and docs/operations.md show it. */
export function markdownTable(table: OptionTable, envPrefix: string): string {
  const inEnvironment = Object.entries(table).filter(([, row]) => row.flagOnly !== true);
  const rows = inEnvironment.map(([name, row]) => {
    const variables = variablesOf(name, row, envPrefix).map((variable) => `\`${variable}\``);
    const cells = [`\`${flagOf(name)}\``, variables.join(", "), `\`${shownDefault(row)}\``];
    const range = row.kind === "switch" ? "nothing, `=true` or `=false`" : allowed(row);
    return `| ${[...cells, range, row.help].join(" | ")} |`;
  });
  return [
    "| option | environment | default | allowed | what it does |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

type Given = Record<string, number | string | boolean>;

/** Adds what no argument has given; a variable behind a flag is not looked at. */
function addFromEnvironment(
  given: Given,
  table: OptionTable,
  env: Readonly<Record<string, string | undefined>>,
  envPrefix: string,
): void {
  for (const [name, row] of Object.entries(table)) {
    if (name in given) continue;
    const variable = variablesOf(name, row, envPrefix).find((candidate) => {
      const text = env[candidate];
      if (text === undefined || isServiceLink(candidate, text)) return false;
      if (text.trim() !== "") return true;
      // Compose gives `${TOKEN}` as an empty variable if it is not set: nobody may believe in a token
      // or a folder that is not there. A number or a switch has its default then.
      if (row.kind !== "text" && row.kind !== "secret") return false;
      const state = text === "" ? "empty" : "has only white space";
      throw new OptionError(`${candidate} is set and ${state}; give it a value, or unset it`);
    });
    if (variable !== undefined) given[name] = parseValue(variable, row, env[variable] ?? "");
  }
}

function fromArguments(table: OptionTable, args: readonly string[]): Given {
  const names = new Map<string, string>();
  for (const [name, row] of Object.entries(table)) {
    for (const spelling of [kebab(name), ...(row.aliases ?? [])]) names.set(spelling, name);
  }
  const types = [...names].map(([spelling, name]) => {
    return [spelling, { type: table[name]?.kind === "switch" ? "boolean" : "string" }] as const;
  });
  // `-port 1` is `--port 1`: one dash or two, whatever the length of the name.
  const doubled = args.map((arg) => (/^-[a-z]/.test(arg) ? `-${arg}` : arg));
  const { tokens } = parseArgs({
    args: doubled,
    options: Object.fromEntries(types),
    strict: false,
    tokens: true,
  });
  const given: Given = {};
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") {
      throw new OptionError(`unexpected argument "${token.value}"; options start with --`);
    }
    const name = names.get(token.name);
    const row = name === undefined ? undefined : table[name];
    if (name === undefined || row === undefined) {
      const known = Object.keys(table).map(flagOf).join(", ");
      const asGiven = args[token.index]?.split("=")[0] ?? token.rawName;
      throw new OptionError(`unknown option "${asGiven}"; the options are ${known}`);
    }
    if (token.value === undefined && row.kind !== "switch") {
      throw new OptionError(`${token.rawName} needs a value: ${allowed(row)}`);
    }
    given[name] = parseValue(token.rawName, row, token.value ?? "true");
  }
  return given;
}

function parseValue(source: string, row: Option, text: string): number | string | boolean {
  const refuse = () => new OptionError(`${source}: "${text}" is not ${allowed(row)}`);
  switch (row.kind) {
    case "auto":
    case "integer":
    case "number": {
      if (row.kind === "auto" && text === "auto") return text;
      const shape = row.kind === "number" ? /^-?(\d+\.?\d*|\.\d+)$/ : /^-?\d+$/;
      const time = row.kind === "auto" ? undefined : timeOf(text, row.unit);
      const plain = time === undefined ? text : String(time);
      const value = Number(plain);
      if (!shape.test(plain) || value < row.min || value > row.max) throw refuse();
      return value;
    }
    case "bytes": {
      if (text === row.default) return text;
      const value = bytesOf(text);
      if (!(value >= row.min && value <= row.max)) throw refuse();
      return value;
    }
    case "choice":
      if (!row.of.includes(text)) throw refuse();
      return text;
    case "switch":
      if (/^(true|1|yes|on)$/i.test(text)) return true;
      if (/^(false|0|no|off)$/i.test(text)) return false;
      throw refuse();
    case "text":
      if (text.trim() === "") throw refuse();
      return text;
    case "secret":
      if (!isSecret(text)) throw new OptionError(`${source}: it must be ${allowed(row)}`);
      return text;
  }
}

export function isSecret(text: string): boolean {
  return /^[!-~]{1,512}$/.test(text);
}

function defaultText(row: Option): string {
  return row.default === "" ? "" : `; default ${shownDefault(row)}`;
}

function shownDefault(row: Option): string {
  const { default: value } = row;
  if (value === "") return "none";
  return row.kind === "bytes" && typeof value === "number" ? bytesText(value) : String(value);
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
