// `bun run stress fuzz-resp [INPUTS]`: ten million inputs for the Redis protocol, or INPUTS.
// `bun run stress fuzz-resp --upstream [SECONDS]`: 300 seconds for a node in front of a redis-server.

import { random } from "../../lib/random.ts";
import { fuzz } from "./fuzz.ts";
import { fuzzUpstream } from "./upstream.ts";

const hasUpstream = Bun.argv[2] === "--upstream";
const count = hasUpstream ? Number(Bun.argv[3] ?? 300) : Number(Bun.argv[2] ?? 10_000_000);
if (!(Number.isInteger(count) && count > 0)) {
  const usage = "[INPUTS] or --upstream [SECONDS], whole numbers from 1";
  console.error(`usage: bun run stress fuzz-resp ${usage}`);
  process.exit(64);
}
const progress = (done: number): void => {
  const unit = hasUpstream ? "commands" : "inputs";
  if (process.stdout.isTTY) process.stdout.write(`\r${done.toLocaleString("en")} ${unit}`);
};
if (hasUpstream) {
  console.log(`\r${JSON.stringify(await fuzzUpstream(count, random(), progress))}`);
} else {
  const stats = fuzz(count, random(), progress);
  console.log(`\r${JSON.stringify(stats)}`);
  if (stats.kept !== 100) throw new Error("entries were lost");
}
