// Whether a history is linearizable: whether every operation can be given a moment
// between its call and its return so that, in that order, each saw what the ones
// before it left. Each key is a register of its own, and linearizability is local.
//
// Source: J. M. Wing, C. Gong, "Testing and Verifying Concurrent Objects", Journal of
// Parallel and Distributed Computing 17 (1993), section 4, with the memory of visited
// states of G. Lowe, "Testing for linearizability", CCPE 29 (2017), section 4.

import type { Operation, Timed } from "./record.ts";

/** Returns the state after the operation, or undefined if it cannot have seen what it saw. Null is the first state. */
export type Apply<O> = (operation: O, state: string | null) => string | null | undefined;

/** The first key whose operations have no such order, or undefined if the history is linearizable. */
export function firstWrongKey(history: readonly Operation[]): string | undefined {
  return firstWrongKeyOf(history, applyToRegister);
}

/** As firstWrongKey, for keys whose states change as `apply` says. */
export function firstWrongKeyOf<O extends Timed>(
  history: readonly O[],
  apply: Apply<O>,
): string | undefined {
  const keys = new Set(history.map(({ key }) => key));
  return [...keys].find(
    (key) =>
      !isLinearizable(
        history.filter((one) => one.key === key),
        apply,
      ),
  );
}

function isLinearizable<O extends Timed>(operations: readonly O[], apply: Apply<O>): boolean {
  const byCall = operations.toSorted((one, other) => one.call_ns - other.call_ns);
  /** What has been ordered, and the state of the key then: to be there again is to fail again. */
  const visited = new Set<string>();
  // Depth first over choices, without recursion: a history is long.
  const start: State = { first: 0, done: new Set(), value: null };
  const stack: State[] = [start];
  for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
    if (state.first === byCall.length) return true;
    for (const next of nextStates(byCall, state, apply)) {
      const name = `${next.first} ${[...next.done].sort((a, b) => a - b).join()} ${next.value}`;
      if (visited.has(name)) continue;
      visited.add(name);
      stack.push(next);
    }
  }
  return false;
}

interface State {
  /** All operations before this one are ordered, in order of their calls. */
  readonly first: number;
  /** And these after it. */
  readonly done: ReadonlySet<number>;
  readonly value: string | null;
}

/** Any operation may come next that was called before all that are left have returned. */
function nextStates<O extends Timed>(
  byCall: readonly O[],
  { first, done, value }: State,
  apply: Apply<O>,
): State[] {
  const states: State[] = [];
  let earliestReturn = Infinity;
  for (let n = first; n < byCall.length; n++) {
    const operation = byCall[n];
    if (operation === undefined || operation.call_ns > earliestReturn) break;
    if (done.has(n)) continue;
    earliestReturn = Math.min(earliestReturn, operation.return_ns);
    const after = apply(operation, value);
    if (after === undefined) continue;
    const nowDone = new Set(done).add(n);
    let nowFirst = first;
    while (nowDone.delete(nowFirst)) nowFirst++;
    states.push({ first: nowFirst, done: nowDone, value: after });
  }
  return states;
}

/** The register after the operation, or undefined if it cannot have seen what it saw. */
function applyToRegister(operation: Operation, value: string | null): string | null | undefined {
  if (operation.op === "put") return operation.value;
  if (operation.op === "get") return operation.value === value ? value : undefined;
  return operation.found === (value !== null) ? null : undefined;
}
