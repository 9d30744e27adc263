// The version of Bun, checked before anything else runs. An entry point imports this file first.
// An old Bun must be able to parse it.

import { engines, packageManager, scripts } from "../../package.json";

const [, oldest = "", below = ""] = /^>=(\S+) <(\S+)$/.exec(engines.bun) ?? [];

if (!Bun.semver.satisfies(Bun.version, engines.bun)) {
  const isOld = Bun.semver.order(Bun.version, oldest) < 0;
  const needed = `${oldest} or newer${isOld ? "" : `, below ${below}`}`;
  const script = process.env["npm_lifecycle_event"] ?? "";
  // An installed package has no scripts to run. Its command takes the package `bun` first.
  const command = import.meta.path.includes("/node_modules/")
    ? `npm install ${packageManager}`
    : `npx ${packageManager} run ${script in scripts ? script : "start"}`;
  console.error(`ringcache: needs Bun ${needed}, this is ${Bun.version}; run: ${command}`);
  process.exit(64);
}
