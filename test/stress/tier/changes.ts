// Changes that other clients make to a key, each of which every node must notice.

/** Commands of another client, in order; `k` is the key that nodes keep near, and `k{k}` one of its slot. */
export interface OtherChange {
  readonly name: string;
  readonly commands: readonly (readonly string[])[];
  /** The value of `k` afterwards; null for none. */
  readonly after: string | null;
}

const SCRIPT = "redis.call('SET', KEYS[1], 'from a script')";

/** Before each, `{k}` holds "1". */
export const OTHER_CHANGES: readonly OtherChange[] = [
  change("SET", [["SET", "{k}", "2"]], "2"),
  change("SET with a lifetime that ends", [["SET", "{k}", "2", "PX", "1"]], null),
  change("APPEND", [["APPEND", "{k}", "2"]], "12"),
  change("INCR", [["INCR", "{k}"]], "2"),
  change("SETRANGE", [["SETRANGE", "{k}", "1", "2"]], "12"),
  change("DEL", [["DEL", "{k}"]], null),
  change("UNLINK", [["UNLINK", "{k}"]], null),
  change("GETDEL", [["GETDEL", "{k}"]], null),
  change("GETSET", [["GETSET", "{k}", "2"]], "2"),
  change("EXPIRE", [["PEXPIRE", "{k}", "1"]], null),
  change(
    "PERSIST",
    [
      ["PEXPIRE", "{k}", "100000"],
      ["PERSIST", "{k}"],
      ["APPEND", "{k}", "0"],
    ],
    "10",
  ),
  change("RENAME away", [["RENAME", "{k}", "{k}other"]], null),
  change(
    "RENAME onto it",
    [
      ["SET", "{k}other", "2"],
      ["RENAME", "{k}other", "{k}"],
    ],
    "2",
  ),
  change(
    "COPY onto it",
    [
      ["SET", "{k}other", "2"],
      ["COPY", "{k}other", "{k}", "REPLACE"],
    ],
    "2",
  ),
  change("MULTI", [["MULTI"], ["SET", "{k}", "2"], ["INCR", "{k}"], ["EXEC"]], "3"),
  change("a script", [["EVAL", SCRIPT, "1", "{k}"]], "from a script"),
  change("GETEX", [["GETEX", "{k}", "PX", "1"]], null),
  change("FLUSHALL", [["FLUSHALL"]], null),
  change("FLUSHDB ASYNC", [["FLUSHDB", "ASYNC"]], null),
];

function change(
  name: string,
  commands: readonly (readonly string[])[],
  after: string | null,
): OtherChange {
  return { name, commands, after };
}
