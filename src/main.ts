// The service, as it is run: `bun src/main.ts [options]`.

// First: an old Bun gets one line that says so, and no stack trace.
import "./config/runtime-version.ts";
import "./process/service-process.ts";
