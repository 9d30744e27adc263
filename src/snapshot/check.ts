// `bun run check-snapshot FILE`: what is in a snapshot, and what is wrong with it.
// Nothing is changed, and no value is shown.

import "../config/runtime-version.ts";
import { readSnapshot } from "./reader.ts";
import { reasonOf } from "./snapshots.ts";

/** Exit codes, as sysexits.h numbers them. */
const EXIT_USAGE = 64;
const EXIT_DATA = 65;
const EXIT_NO_INPUT = 66;

const [path, ...rest] = Bun.argv.slice(2);
if (path === undefined || rest.length > 0 || /^--?h(elp)?$/.test(path)) {
  const isHelp = path !== undefined && rest.length === 0;
  (isHelp ? process.stdout : process.stderr).write(
    "usage: bun run check-snapshot FILE\n\n" +
      "Says what is in a snapshot, such as DATA-DIR/ringcache.snapshot, and what is wrong with it.\n" +
      "Exit code: 0 it is whole, 65 it is damaged, 66 it cannot be read.\n",
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
  console.log(`${path}: ${number(bytes)} bytes`);
  if (header !== undefined) {
    const { version, savedMs, shards, virtualNodes } = header;
    console.log(`format ${version}, saved at ${new Date(savedMs).toISOString()}`);
    console.log(
      `${number(shards)} shards of ${number(virtualNodes)} virtual nodes, ${number(intactShards)} of them whole`,
    );
    console.log(
      `${number(entries)} entries: ${number(counts.keyBytes)} bytes of keys, ` +
        `${number(counts.valueBytes)} of values, the longest ${number(counts.longestValue)}`,
    );
    console.log(
      `${number(counts.expiring)} have a deadline, which for ${number(counts.expired)} is past`,
    );
  }
  for (const damage of damages) console.log(`damaged: ${damage}`);
  process.exit(damages.length === 0 ? 0 : EXIT_DATA);
} catch (error) {
  process.stderr.write(`check-snapshot: ${path} cannot be read: ${reasonOf(error, "read")}\n`);
  process.exit(EXIT_NO_INPUT);
}

function number(value: number): string {
  return value.toLocaleString("en");
}
