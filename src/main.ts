// The program: `ringcache [options]` runs the service, and `ringcache NAME …` a subcommand.

// First: an old Bun prints one line that says so, and no stack trace.
import "./config/runtime-version.ts";
import { isSubcommand, type RunSubcommand, type Subcommand } from "./config/subcommands.ts";

/** Each loads only its own code. */
const RUN: Readonly<Record<Subcommand, RunSubcommand>> = {
  "check-snapshot": async (args) => (await import("./snapshot/check.ts")).checkSnapshot(args),
  health: async (args) => (await import("./health/check.ts")).runHealth(args),
  loadtest: async (args) => (await import("./loadtest/main.ts")).runLoadTest(args),
  top: async (args) => (await import("./top/main.ts")).runTop(args),
};

const args = Bun.argv.slice(2);
const [name] = args;
if (name !== undefined && isSubcommand(name)) await RUN[name](args.slice(1));
else await (await import("./process/service-process.ts")).runService(args, process.env);
