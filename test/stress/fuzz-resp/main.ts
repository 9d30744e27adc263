// `bun run stress fuzz-resp [INPUTS]`: ten million inputs for the Redis protocol, or INPUTS.

import { random } from "../../lib/random.ts";
import { fuzz } from "./fuzz.ts";

const inputs = Number(Bun.argv[2] ?? 10_000_000);
if (!(Number.isInteger(inputs) && inputs > 0)) {
  console.error("usage: bun run stress fuzz-resp [INPUTS], a whole number from 1");
  process.exit(64);
}
const stats = fuzz(inputs, random(), (done) => {
  if (process.stdout.isTTY) process.stdout.write(`\r${done.toLocaleString("en")} inputs`);
});
console.log(`\r${JSON.stringify(stats)}`);
if (stats.kept !== 100) throw new Error("entries were lost");
