// The table of docs/clients.md and the set-ups that `bun run stress clients` tries are the same.

import { expect, test } from "bun:test";

import { SETUPS } from "./stress/clients/setups.ts";

test("docs/clients.md has the set-ups of the long test, and why some do not work", async () => {
  const text = await Bun.file(new URL("../docs/clients.md", import.meta.url)).text();
  const rows = text
    .split("\n")
    .filter((line) => line.startsWith("| ") && !/^\| (set-up|-)/.test(line));
  const shown = rows.map((row) => row.split("|").map((cell) => cell.trim()));
  const expected = SETUPS.map(({ title, refused }) => [
    title,
    refused === undefined ? "works" : `no: ${refused.why}`,
  ]);
  expect(shown.map(([, title, , result]) => [title, result])).toEqual(expected);
});
