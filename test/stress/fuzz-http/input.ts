// One input of the HTTP fuzzer: bytes for one connection, and what is known of their answers.

export const KINDS = [
  ...(["well-formed", "mutated", "random bytes", "header abuse", "chunked abuse"] as const),
  ...(["smuggling", "truncated", "garbage after"] as const),
] as const;
export type Kind = (typeof KINDS)[number];

/** What a request that is right must be answered with. */
export interface Expected {
  readonly method: string;
  readonly statuses: ReadonlySet<number>;
  /** The `key` of an answer of 200. */
  readonly key?: string;
}

export interface Input {
  readonly kind: Kind;
  /** How many requests it is counted as. */
  readonly requests: number;
  readonly bytes: Buffer;
  /** Where the bytes are cut: the service has seen what is before a cut when the rest is sent. */
  readonly cuts?: readonly number[];
  /** The answers that must come first. */
  readonly answers: readonly Expected[];
  /** What comes after them: nothing, so that the connection can be used again, or nobody knows. */
  readonly then: "reuse" | "close" | "half-close" | "reset";
  /** The kept entry that it would delete, were it read wrongly. */
  readonly guarded?: number;
}

/** How many entries must outlive all inputs. */
export const KEPT = 100;

export const keptKey = (number: number): string => `kept:${number}`;

/** Bytes as a message shows them, and as they can be taken back. */
export const shown = (bytes: Buffer): string => JSON.stringify(bytes.toString("latin1"));
