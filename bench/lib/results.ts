// Raw results, kept in bench/results under the bench's name and the day.

import { mkdir } from "node:fs/promises";

const FOLDER = new URL("../results/", import.meta.url).pathname;

export function resultPath(bench: string, extension: string): string {
  return `${FOLDER}${bench}-${new Date().toISOString().slice(0, 10)}.${extension}`;
}

/** Writes the result as JSON and says where. */
export async function keepResult(bench: string, result: object): Promise<void> {
  console.log(`raw results: ${await writeResult(bench, result)}`);
}

/** Writes the result of today as JSON, and returns the path. */
export async function writeResult(bench: string, result: object): Promise<string> {
  await mkdir(FOLDER, { recursive: true });
  const file = resultPath(bench, "json");
  const date = new Date().toISOString();
  await Bun.write(file, `${JSON.stringify({ date, ...result }, undefined, 2)}\n`);
  return file;
}

/** Returns the result of today, or undefined. `T` is what the bench has written. */
export async function readResult<T>(bench: string): Promise<T | undefined> {
  const file = Bun.file(resultPath(bench, "json"));
  return (await file.exists()) ? ((await file.json()) as T) : undefined;
}
