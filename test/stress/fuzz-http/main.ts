// `bun run stress fuzz-http [REQUESTS] [--upstream]`: a million requests for the HTTP API, or REQUESTS;
// with --upstream for a node in front of a redis-server.

import { random } from "../../lib/random.ts";
import { startChild, startUpstreamChild } from "./child.ts";
import { fuzz } from "./fuzz.ts";

const words = Bun.argv.slice(2).filter((word) => word !== "--upstream");
const start = Bun.argv.includes("--upstream") ? startUpstreamChild : startChild;
const requests = Number(words[0] ?? 1_000_000);
if (!(Number.isInteger(requests) && requests > 0)) {
  console.error(
    "usage: bun run stress fuzz-http [REQUESTS] [--upstream]; REQUESTS is a whole number from 1",
  );
  process.exit(64);
}
try {
  const progress = (done: number) => {
    if (process.stdout.isTTY) process.stdout.write(`\r${done.toLocaleString("en")} requests`);
  };
  const stats = await fuzz(requests, random(), progress, () => start());
  console.log(`\r${JSON.stringify(stats)}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
