// Parsed JSON, before it is known to be what a route takes.

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Names the type of a value in an error message. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** Shows a number or a text in an error message; names the type of another value. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(shortened(value));
  return typeof value === "number" ? String(value) : kindOf(value);
}

function shortened(text: string): string {
  return text.length > 64 ? `${text.slice(0, 64).toWellFormed()}…` : text;
}
