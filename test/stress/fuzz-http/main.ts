// `bun run stress fuzz-http [REQUESTS]`: a million requests for the HTTP API, or REQUESTS.

import { random } from "../../lib/random.ts";
import { fuzz } from "./fuzz.ts";

const requests = Number(Bun.argv[2] ?? 1_000_000);
if (!(Number.isInteger(requests) && requests > 0)) {
  console.error("usage: bun run stress fuzz-http [REQUESTS], a whole number from 1");
  process.exit(64);
}
try {
  const stats = await fuzz(requests, random(), (done) => {
    if (process.stdout.isTTY) process.stdout.write(`\r${done.toLocaleString("en")} requests`);
  });
  console.log(`\r${JSON.stringify(stats)}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
