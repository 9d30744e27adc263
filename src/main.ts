// The service: `bun src/main.ts [options]`.

// First: an old Bun prints one line that says so, and no stack trace.
import "./config/runtime-version.ts";
import { runService } from "./process/service-process.ts";

await runService(Bun.argv.slice(2), process.env);
