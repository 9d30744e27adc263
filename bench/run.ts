// `bun run bench NAME [options]` runs bench/NAME.ts; `bun run bench` lists the names.

import { runByName } from "./lib/run-by-name.ts";
import { BENCHES } from "./benches.ts";

await runByName("bench", BENCHES, (name) => import(`./${name}.ts`));
