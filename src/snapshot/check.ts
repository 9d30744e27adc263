// `bun run check-snapshot FILE`: prints the contents of a snapshot file and its damages. It never
// changes the file and never prints a value.

import "../config/runtime-version.ts";
import { EXIT_DATA, EXIT_NO_INPUT, EXIT_USAGE } from "../service/exit.ts";
import { readSnapshot } from "./reader.ts";
import { describeError } from "./snapshots.ts";

const [path, ...rest] = Bun.argv.slice(2);
if (path === undefined || rest.length > 0 || /^--?h(elp)?$/.test(path)) {
  const isHelp = path !== undefined && rest.length === 0;
  (isHelp ? process.stdout : process.stderr).write(
    "usage: bun run check-snapshot FILE\n\n" +
      "Prints the contents of a snapshot, such as DATA-DIR/ringcache.snapshot, and its damages.\n" +
      "Exit code: 0 the file is intact, 65 it is damaged, 66 it cannot be read.\n",
  );
  process.exit(isHelp ? 0 : EXIT_USAGE);
}

const nowMs = Date.now();
const counts = { expiring: 0, expired: 0, keyBytes: 0, valueBytes: 0, longestValue: 0 };
try {
  const report = await readSnapshot(path, ({ key, value, expiresAtMs }) => {
    const valueBytes = value.end - value.start;
    counts.keyBytes += key.end - key.start;
    counts.valueBytes += valueBytes;
    counts.longestValue = Math.max(counts.longestValue, valueBytes);
    if (expiresAtMs !== Infinity) counts.expiring++;
    if (expiresAtMs <= nowMs) counts.expired++;
  });
  const { header, damages, entries, intactShards, bytes } = report;
  console.log(`${path}: ${formatted(bytes)} bytes`);
  if (header !== undefined) {
    const { version, savedMs, shards, virtualNodes } = header;
    console.log(`format ${version}, saved at ${new Date(savedMs).toISOString()}`);
    console.log(
      `${formatted(shards)} shards of ${formatted(virtualNodes)} virtual nodes, ` +
        `${formatted(intactShards)} of them intact`,
    );
    console.log(
      `${formatted(entries)} entries: ${formatted(counts.keyBytes)} bytes of keys, ` +
        `${formatted(counts.valueBytes)} bytes of values, ` +
        `longest value ${formatted(counts.longestValue)} bytes`,
    );
    console.log(
      `${formatted(counts.expiring)} entries have an expiry time, ` +
        `${formatted(counts.expired)} of them have expired`,
    );
  }
  for (const damage of damages) console.log(`damaged: ${damage}`);
  process.exit(damages.length === 0 ? 0 : EXIT_DATA);
} catch (error) {
  process.stderr.write(`check-snapshot: ${path} cannot be read: ${describeError(error, "read")}\n`);
  process.exit(EXIT_NO_INPUT);
}

function formatted(value: number): string {
  return value.toLocaleString("en");
}
