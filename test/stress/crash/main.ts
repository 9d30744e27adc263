// `bun run stress crash`: kills at random moments, with a snapshot every second.

import { SingleBar } from "cli-progress";

import { optionsOrExit } from "../../../bench/lib/options.ts";
import { random } from "../../lib/random.ts";
import { crash } from "./crash.ts";

const { kills } = optionsOrExit("stress crash", {
  kills: { kind: "integer", default: 200, min: 1, max: 100_000, help: "kills" },
} as const);
const bar = new SingleBar({ format: "{value} of {total} kills [{bar}]" });
bar.start(kills, 0);
const report = await crash(kills, random(), (done) => bar.update(done));
bar.stop();
console.log(report);
