// `bun run stress differential [SEQUENCES]`: 5,000 random sequences, or SEQUENCES, against
// redis-server. SEED=… with 1 sequence replays one.

import { random } from "../../lib/random.ts";
import { startRedis } from "../../lib/redis-server.ts";
import { freePort, startService } from "../../lib/service.ts";
import { describeFound, runSequences } from "./differential.ts";

const FOUND_MAX = Number(process.env["FOUND_MAX"] ?? 10);

const sequences = Number(Bun.argv[2] ?? 5000);
if (!(Number.isInteger(sequences) && sequences > 0)) {
  console.error("usage: bun run stress differential [SEQUENCES], a whole number from 1");
  process.exit(64);
}
const { seed } = random();
const port = freePort();
await using redis = await startRedis();
await using _service = await startService(["--resp-port", `${port}`, "--workers", "2"]);
const report = await runSequences([redis.port, port], {
  seed,
  sequences,
  foundMax: FOUND_MAX,
  done: (count) => {
    if (process.stdout.isTTY) process.stdout.write(`\r${count.toLocaleString("en")} sequences`);
  },
});
for (const found of report.found) console.log(describeFound(found));
if (report.unsteady.length > 0) console.log(`did not repeat: ${report.unsteady.join(", ")}`);
console.log(`${report.sequences} sequences, ${report.differences} differences`);
process.exitCode = report.found.length === 0 ? 0 : 1;
