// Commands of Redis on values of other types, which are unknown here. Their error says why.

const OTHER_TYPES: readonly (readonly [names: RegExp, values: string])[] = [
  [
    /^(b?l(move|mpop)|b?[lr]pop|[lr]pushx?|b?rpoplpush|l(len|set|trim|rem|range|insert|pos|index))$/,
    "lists",
  ],
  [
    /^h(del|exists|get|set|incrby|keys|len|m[gs]et|randfield|scan|strlen|vals|p?expire|p?ttl|persist)/,
    "hashes",
  ],
  [/^b?z[a-z]/, "sorted sets"],
  [/^s(add|card|diff|inter|ismember|members|mismember|move|pop|randmember|rem|scan|union)/, "sets"],
  [/^sort(_ro)?$/, "lists, sets and sorted sets"],
  [/^x[a-z]/, "streams"],
  [/^pf[a-z]/, "HyperLogLogs"],
  [/^geo[a-z]/, "sorted sets"],
];

/** Returns why a command is unknown, or "". `name` is in lower case. */
export function whyUnknown(name: string): string {
  const values = OTHER_TYPES.find(([names]) => names.test(name))?.[1];
  return values === undefined ? "" : `; there are no ${values}: all values are strings`;
}
