// `ringcache check-snapshot FILE`: prints the contents of a snapshot file and its damages. It never
// changes the file and never prints a value.

import { EXIT_DATA, EXIT_NO_INPUT, EXIT_USAGE } from "../service/exit.ts";
import type { Header } from "./format.ts";
import { readSnapshot, type SnapshotReport } from "./reader.ts";
import { describeError } from "./snapshots.ts";

const USAGE = `usage: ringcache check-snapshot FILE

Prints the contents of a snapshot, such as DATA-DIR/ringcache.snapshot, and its damages.
Exit code: 0 the file is intact, 65 it is damaged, 66 it cannot be read.
`;

/** Runs the subcommand. The process ends with its exit code. */
export async function checkSnapshot(args: readonly string[]): Promise<never> {
  const [path, ...rest] = args;
  if (path === undefined || rest.length > 0 || /^--?h(elp)?$/.test(path)) {
    const isHelp = path !== undefined && rest.length === 0;
    (isHelp ? process.stdout : process.stderr).write(USAGE);
    process.exit(isHelp ? 0 : EXIT_USAGE);
  }
  try {
    process.exit((await printSnapshot(path)) ? 0 : EXIT_DATA);
  } catch (error) {
    const reason = describeError(error, "read");
    process.stderr.write(`check-snapshot: ${path} cannot be read: ${reason}\n`);
    process.exit(EXIT_NO_INPUT);
  }
}

/** Prints the contents and the damages of a file; returns whether it is intact. */
async function printSnapshot(path: string): Promise<boolean> {
  const nowMs = Date.now();
  const counts = { expiring: 0, expired: 0, keyBytes: 0, valueBytes: 0, longestValue: 0 };
  const report = await readSnapshot(path, ({ key, value, expiresAtMs }) => {
    const valueBytes = value.end - value.start;
    counts.keyBytes += key.end - key.start;
    counts.valueBytes += valueBytes;
    counts.longestValue = Math.max(counts.longestValue, valueBytes);
    if (expiresAtMs !== Infinity) counts.expiring++;
    if (expiresAtMs <= nowMs) counts.expired++;
  });
  console.log(`${path}: ${formatted(report.bytes)} bytes`);
  if (report.header !== undefined) printContents(report, report.header, counts);
  for (const damage of report.damages) console.log(`damaged: ${damage}`);
  return report.damages.length === 0;
}

interface Counts {
  readonly expiring: number;
  readonly expired: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly longestValue: number;
}

function printContents(report: SnapshotReport, header: Header, counts: Counts): void {
  const { version, savedMs, shards, virtualNodes } = header;
  console.log(`format ${version}, saved at ${new Date(savedMs).toISOString()}`);
  console.log(
    `${formatted(shards)} shards of ${formatted(virtualNodes)} virtual nodes, ` +
      `${formatted(report.intactShards)} of them intact`,
  );
  console.log(
    `${entriesText(report.entries)}: ${formatted(counts.keyBytes)} bytes of keys, ` +
      `${formatted(counts.valueBytes)} bytes of values, ` +
      `longest value ${formatted(counts.longestValue)} bytes`,
  );
  console.log(
    `${entriesText(counts.expiring)} with an expiry time, ${formatted(counts.expired)} of them expired`,
  );
}

function entriesText(count: number): string {
  return `${formatted(count)} ${count === 1 ? "entry" : "entries"}`;
}

function formatted(value: number): string {
  return value.toLocaleString("en");
}
