// Raw results, kept in bench/results under the bench's name and the day.

import { mkdir } from "node:fs/promises";

const FOLDER = new URL("../results/", import.meta.url).pathname;

export function resultPath(bench: string, extension: string): string {
  return `${FOLDER}${bench}-${new Date().toISOString().slice(0, 10)}.${extension}`;
}

/** Writes the result as JSON and says where. */
export async function keepResult(bench: string, result: object): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  const file = resultPath(bench, "json");
  const date = new Date().toISOString();
  await Bun.write(file, `${JSON.stringify({ date, ...result }, undefined, 2)}\n`);
  console.log(`raw results: ${file}`);
}
