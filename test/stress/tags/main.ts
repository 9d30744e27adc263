// `bun run stress tags`: a million entries with three of 10,000 tags each; 600,000 invalidations of other
// tags, as 10,000 a second are in a minute.

import { runTags } from "./tags.ts";

const MEMORY_BYTES = 2 ** 29;
const MILLION = 1_000_000;

const { medianMs, slowMs, wrong, reads, misses } = runTags({
  entries: MILLION,
  tags: 10_000,
  invalidations: 600_000,
  memoryBytes: MEMORY_BYTES,
});
const perMillion = (misses / reads) * MILLION;
console.log(
  `invalidation: median ${medianMs.toFixed(4)} ms, 99.9 % within ${slowMs.toFixed(4)} ms`,
);
console.log(`entries that are wrong after the invalidation of a tag: ${wrong} of ${MILLION}`);
console.log(
  `misses without a cause: ${misses} in ${reads} reads, ${perMillion.toFixed(2)} in a million`,
);
process.exitCode = wrong === 0 && perMillion < 1 ? 0 : 1;
