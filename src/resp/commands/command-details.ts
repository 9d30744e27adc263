// What COMMAND says of a command beside its row: how it uses its keys, hints for proxies, and its categories.
// The terms are those of Redis: RO, RW, OW (overwrite) and RM (remove), access, update, insert and delete.

import type { Command, CommandTable } from "./context.ts";

/**
 * The flags of the keys, by the full name of a command. With a semicolon, the first key and the rest have flags of
 * their own. A command that is not here reads its keys, or reads and updates them.
 */
const KEY_FLAGS: Readonly<Record<string, string>> = {
  set: "RW access update variable_flags",
  setnx: "OW insert",
  setex: "OW update",
  psetex: "OW update",
  mset: "OW update",
  msetnx: "OW insert",
  msetex: "OW update",
  getdel: "RW access delete",
  append: "RW insert",
  setrange: "RW update",
  bitfield: "RW access update variable_flags",
  bitop: "OW update; RO access",
  del: "RM delete",
  unlink: "RM delete",
  delex: "RW delete variable_flags",
  delifeq: "RW delete",
  rename: "RW access delete; OW update",
  renamenx: "RW access delete; OW insert",
  copy: "RO access; OW update",
  restore: "OW update",
  "rc.get": "RW access insert",
  "rc.set": "OW update",
  "rc.release": "RW delete",
  expire: "RW update",
  pexpire: "RW update",
  expireat: "RW update",
  pexpireat: "RW update",
  persist: "RW update",
  exists: "RO",
  touch: "RO",
  strlen: "RO",
  type: "RO",
  watch: "RO",
  "object|encoding": "RO",
  "object|freq": "RO",
  "object|idletime": "RO",
  "object|refcount": "RO",
  "memory|usage": "RO",
};

/** Options without which a command with variable flags uses its keys in another way. */
const VARIABLE_FLAGS: Readonly<Record<string, { options: readonly string[]; without: string }>> = {
  set: { options: ["get", "ifeq", "ifne", "ifdeq", "ifdne"], without: "OW update" },
  bitfield: { options: ["set", "incrby"], without: "RO access" },
  delex: { options: ["ifeq", "ifne", "ifdeq", "ifdne"], without: "RM delete" },
};

/** Returns the flags of a key of a command with these arguments, in lower case. */
export function keyFlagsOf(
  { flags }: KeySpec,
  name: string,
  words: readonly string[],
): readonly string[] {
  const usual = flags.filter((flag) => flag !== "variable_flags");
  const variable = VARIABLE_FLAGS[name];
  if (variable === undefined || words.some((word) => variable.options.includes(word))) return usual;
  return variable.without.split(" ");
}

/** A range of keys, and their flags. */
export interface KeySpec {
  readonly flags: readonly string[];
  readonly first: number;
  /** Offset of the last key from the first; negative: from the end of the arguments. */
  readonly last: number;
  readonly step: number;
  /** Whether the argument at `first` is the number of keys, which follow it. */
  readonly isCounted: boolean;
}

/** Returns the ranges of keys of a command. */
export function keySpecsOf({ keys, countedKeys, flags }: Command, name: string): KeySpec[] {
  const usual = flags.includes("readonly") ? "RO access" : "RW access update";
  const flagsOfSpecs = (KEY_FLAGS[name] ?? usual).split("; ").map((text) => text.split(" "));
  if (countedKeys !== undefined) {
    const { at, step } = countedKeys;
    return [{ flags: flagsOfSpecs[0] ?? [], first: at, last: 0, step, isCounted: true }];
  }
  if (keys === undefined) return [];
  const [start, last, step] = keys;
  return flagsOfSpecs.map((specFlags, n) => {
    const first = start + n * step;
    const isLast = n === flagsOfSpecs.length - 1;
    const toLast = last < 0 ? last : last - first;
    return { flags: specFlags, first, last: isLast ? toLast : 0, step, isCounted: false };
  });
}

const ALL_SHARDS = "request_policy:all_shards";
const ALL_NODES = "request_policy:all_nodes";
const MULTI_SHARD = "request_policy:multi_shard";
const SPECIAL = "response_policy:special";
const SUM = "response_policy:agg_sum";
const ALL_SUCCEEDED = "response_policy:all_succeeded";
const RANDOM = "nondeterministic_output";
const RANDOM_ORDER = "nondeterministic_output_order";

const TIPS: Readonly<Record<string, readonly string[]>> = {
  mget: [MULTI_SHARD],
  mset: [MULTI_SHARD, ALL_SUCCEEDED],
  msetnx: [MULTI_SHARD, "response_policy:agg_min"],
  msetex: [MULTI_SHARD, ALL_SUCCEEDED],
  del: [MULTI_SHARD, SUM],
  unlink: [MULTI_SHARD, SUM],
  exists: [MULTI_SHARD, SUM],
  touch: [MULTI_SHARD, SUM],
  ttl: [RANDOM],
  pttl: [RANDOM],
  dump: [RANDOM],
  keys: [ALL_SHARDS, RANDOM_ORDER],
  scan: [RANDOM, "request_policy:special"],
  randomkey: [ALL_SHARDS, RANDOM],
  dbsize: [ALL_SHARDS, SUM],
  flushall: [ALL_SHARDS, ALL_SUCCEEDED],
  flushdb: [ALL_SHARDS, ALL_SUCCEEDED],
  ping: [ALL_SHARDS, ALL_SUCCEEDED],
  info: [RANDOM, ALL_SHARDS, SPECIAL],
  time: [RANDOM],
  lastsave: [RANDOM],
  command: [RANDOM_ORDER],
  "command|docs": [RANDOM_ORDER],
  "command|info": [RANDOM_ORDER],
  "command|list": [RANDOM_ORDER],
  "client|info": [RANDOM],
  "client|list": [RANDOM],
  "object|encoding": [RANDOM],
  "object|freq": [RANDOM],
  "object|idletime": [RANDOM],
  "object|refcount": [RANDOM],
  "config|set": [ALL_NODES, ALL_SUCCEEDED],
  "slowlog|get": [ALL_NODES, RANDOM],
  "slowlog|len": [ALL_NODES, SUM, RANDOM],
  "slowlog|reset": [ALL_NODES, ALL_SUCCEEDED],
  "latency|latest": [RANDOM, ALL_NODES, SPECIAL],
  "latency|history": [RANDOM, ALL_NODES, SPECIAL],
  "latency|reset": [ALL_NODES, ALL_SUCCEEDED],
  "latency|histogram": [RANDOM, ALL_NODES, SPECIAL],
  "latency|doctor": [RANDOM, ALL_NODES, SPECIAL],
  "script|exists": [ALL_SHARDS, "response_policy:agg_logical_and"],
  "script|flush": [ALL_NODES, ALL_SUCCEEDED],
  "script|kill": [ALL_SHARDS, "response_policy:one_succeeded"],
  "script|load": [ALL_NODES, ALL_SUCCEEDED],
  "function|flush": [ALL_SHARDS, ALL_SUCCEEDED],
  "function|list": [RANDOM_ORDER],
};

export function tipsOf(name: string): readonly string[] {
  return TIPS[name] ?? [];
}

/** The categories of Redis, also those of data types that are not stored. */
export const ACL_CATEGORIES: readonly string[] = [
  ...["keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap"],
  ...["hyperloglog", "geo", "stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous"],
  ...["connection", "transaction", "scripting"],
];

/** Commands that an operator of Redis would not give to every client. */
const DANGEROUS: readonly string[] = ["keys", "flushall", "flushdb", "restore", "info", "swapdb"];
/** Commands with the category "@admin" that need no administrator. */
const ADMIN: readonly string[] = ["lastsave", "role"];
/** Commands that Redis counts to another category than that of their group. */
const CATEGORIES: Readonly<Record<string, string>> = {
  dbsize: "@keyspace",
  flushall: "@keyspace",
  flushdb: "@keyspace",
  swapdb: "@keyspace",
  command: "@connection",
  function: "@scripting",
};
/** Groups without a category, or with a category of another name. */
const GROUP_CATEGORIES: Readonly<Record<string, string | undefined>> = {
  generic: "@keyspace",
  server: undefined,
  transactions: "@transaction",
};

/** Returns the ACL categories of a command. */
export function categoriesOf(table: CommandTable, { flags, run }: Command, name: string): string[] {
  const [top = ""] = name.split("|");
  const group = table.groupOf(name);
  const ofGroup = group in GROUP_CATEGORIES ? GROUP_CATEGORIES[group] : `@${group}`;
  const ofCommand = run === undefined ? undefined : (CATEGORIES[top] ?? ofGroup);
  const isAdmin = flags.includes("admin") || ADMIN.includes(name);
  return [
    ...(flags.includes("write") ? ["@write"] : []),
    // A script may do more than read.
    ...(flags.includes("readonly") && ofGroup !== "@scripting" ? ["@read"] : []),
    ...(ofCommand === undefined ? [] : [ofCommand]),
    ...(isAdmin ? ["@admin"] : []),
    ...(isAdmin || DANGEROUS.includes(name) ? ["@dangerous"] : []),
    flags.includes("fast") ? "@fast" : "@slow",
  ];
}
