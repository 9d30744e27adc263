// `bun run stress NAME [options]` runs a long test; `bun run stress` lists the names.

import { runByName } from "../../bench/lib/run-by-name.ts";
import { LONG_TESTS } from "./long-tests.ts";

/** Scripts of the shell. */
const SHELL: readonly string[] = ["redis", "container", "promtool", "repeat"];

await runByName("stress", LONG_TESTS, async (name) => {
  if (!SHELL.includes(name)) return await import(`./${name}/main.ts`);
  const path = new URL(`${name}/run.sh`, import.meta.url).pathname;
  const child = Bun.spawn(["bash", path, ...Bun.argv.slice(2)], {
    stdio: ["inherit", "inherit", "inherit"],
  });
  process.exitCode = await child.exited;
});
