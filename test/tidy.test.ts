// Properties of the source that a reviewer should not have to look for: no long function, no long
// parameter list, no idiom that readers stumble over. One pass over each file.

import { expect, test } from "bun:test";
import { Glob } from "bun";

const ROOT = new URL("../", import.meta.url).pathname;
const FUNCTION_LINES_MAX = 70;
const PARAMETERS_MAX = 5;

/** A banned form, and the form to write instead. Comments, documents and help texts alike. */
const BANNED: readonly (readonly [RegExp, string])[] = [
  [/\b[Ww]hoever\b/, "name the actor: the client, the caller, the worker"],
  [/\bof late\b/, "recently"],
  [/\bas ever\b/, "as usual, or say what happens"],
  [/\b(goes|gone|go) on with\b/, "resumes, continues"],
  [/\bcome again\b/, "retry"],
  [/\bso (many|often|long)\b/, "give the number, or name the constant"],
  [/\bis no more\b/, "has exited, was removed"],
  [/(^|[^'\w])(he|his|him)\b/, "they, their, them"],
  [/\/\*\* Of /, "start with the thing itself"],
];

/** Functions that may be longer, or have more parameters. */
const EXCEPTIONS: ReadonlySet<string> = new Set([
  // A row of the table of commands: its columns in the order of the documents.
  "src/resp/commands/define.ts: define",
  // A table of handlers, each of a few lines.
  "src/http/api/entry-handlers.ts: createEntryHandlers",
  // On the path of each command: an object for each call would be garbage (head of put.ts).
  ...["put", "#store"].map((name) => `src/cache/store/map-shard.ts: ${name}`),
  ...["put", "getRange"].map((name) => `src/cache/store/shared/shared-shard.ts: ${name}`),
  ...["store", "insert", "overwrite"].map((name) => `src/cache/store/shared/put.ts: ${name}`),
  "src/cache/store/shared/change.ts: #reviseInPlace",
  "src/cache/store/shared/read.ts: range",
  "src/cache/store/shared/scan.ts: scan",
]);

test(`functions have at most ${FUNCTION_LINES_MAX} lines and ${PARAMETERS_MAX} parameters`, async () => {
  const found: string[] = [];
  for await (const path of new Glob("src/**/*.ts").scan(ROOT)) {
    const lines = (await read(path)).split("\n");
    for (const [index, line] of lines.entries()) {
      const declaration = declarationAt(lines, index, line);
      if (declaration === undefined || EXCEPTIONS.has(`${path}: ${declaration.name}`)) continue;
      const { name, length, parameters } = declaration;
      if (length > FUNCTION_LINES_MAX) found.push(`${path}: ${name}: ${length} lines`);
      if (parameters > PARAMETERS_MAX) found.push(`${path}: ${name}: ${parameters} parameters`);
    }
  }
  expect(found).toEqual([]);
});

test("comments and documents use plain words", async () => {
  const found: string[] = [];
  for (const pattern of [
    "src/**/*.ts",
    "{test,bench}/**/*.ts",
    "docs/*.md",
    "*.md",
    "bench/*.md",
  ]) {
    for await (const path of new Glob(pattern).scan(ROOT)) {
      if (path.startsWith("node_modules/") || path === "test/tidy.test.ts") continue;
      for (const [index, line] of (await read(path)).split("\n").entries()) {
        if (path.endsWith(".ts") && !/^\s*(\/\/|\/?\*)|help: "/.test(line)) continue;
        for (const [banned, instead] of BANNED) {
          if (banned.test(line)) found.push(`${path}:${index + 1}: ${banned.source}: ${instead}`);
        }
      }
    }
  }
  expect(found).toEqual([]);
});

interface Declaration {
  readonly name: string;
  readonly length: number;
  readonly parameters: number;
}

/** The function or method whose declaration begins at this line; undefined if there is none. */
function declarationAt(
  lines: readonly string[],
  index: number,
  line: string,
): Declaration | undefined {
  // The formatter puts the closing brace at the indentation of the line that opens it.
  const start =
    /^()(?:export )?(?:async )?function\*? (\w+)(?:<.*>)?\(/.exec(line) ??
    /^( {2})(?:static |async |override |get |set )*(?!if|for|while|switch|return)(#?\w+)(?:<.*>)?\(/.exec(
      line,
    );
  if (start === null) return undefined;
  const [, indent = "", name = ""] = start;
  const close = lines.findIndex((other, at) => at > index && other === `${indent}}`);
  // A call in a list looks the same, but its head does not open a block.
  const head = lines
    .slice(index, close)
    .find(
      (other, at) => (at === 0 && /\)(?:: .*)? \{$/.test(other)) || other.startsWith(`${indent})`),
    );
  if (close < 0 || !/\{$/.test(head ?? "")) return undefined;
  return { name, length: close - index + 1, parameters: parametersOf(lines, index) };
}

function parametersOf(lines: readonly string[], index: number): number {
  const text = lines.slice(index, index + 14).join("\n");
  let depth = 0;
  let count = 0;
  for (let at = text.indexOf("("); at < text.length; at++) {
    const character = text[at] ?? "";
    if ("([{<".includes(character)) depth++;
    else if (")]}".includes(character) || (character === ">" && text[at - 1] !== "=")) depth--;
    else if (character === "," && depth === 1) count++;
    if (depth === 0) break;
  }
  const inside = text.slice(text.indexOf("(") + 1);
  if (/^\s*\)/.test(inside)) return 0;
  // A trailing comma closes a list that was broken over lines.
  return /^\s*$/.test((lines[index] ?? "").split("(")[1] ?? "") ? count : count + 1;
}

async function read(path: string): Promise<string> {
  return await Bun.file(ROOT + path).text();
}
