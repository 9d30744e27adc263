// Builds the service as one executable file, which needs neither Bun nor packages:
//
//   bun run build [--target linux-x64] [--out FOLDER]
//
// The file contains the runtime, the bundled source, the bundled dashboard and the interpreter of scripts.
// Bun takes the runtime of another system from the npm registry, and keeps it in its cache.

import "../src/config/runtime-version.ts";
import { chmod, copyFile, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";

import { helpText, OptionError, type OptionTable, readOptions } from "../src/config/parse.ts";
import { bundlePage, FOLDER } from "../src/http/page.ts";
import { binaryUrl } from "../src/resp/scripting/lua-binary.ts";

const SRC = join(import.meta.dir, "../src");
const TARGETS = ["linux-x64", "linux-arm64", "linux-x64-musl", "linux-arm64-musl"] as const;
type Target = (typeof TARGETS)[number];

const OPTIONS = {
  target: {
    kind: "choice",
    of: ["all", "this", ...TARGETS],
    default: "all",
    help: "system of the executable; all: each of the four; this: the system of this Bun",
  },
  out: {
    kind: "text",
    default: "build",
    placeholder: "a folder",
    help: "folder of the executables",
  },
  help: { kind: "switch", default: false, aliases: ["h"], help: "print this and stop" },
} as const satisfies OptionTable;

/** Puts the files that the executable contains beside its source into a folder; returns their names. */
async function stageAssets(folder: string): Promise<string[]> {
  const lua = binaryUrl().pathname;
  const prelude = join(SRC, "resp/scripting/prelude.lua");
  for (const path of [lua, prelude]) await copyFile(path, join(folder, basename(path)));
  for (const [name, file] of await bundlePage()) await Bun.write(join(folder, FOLDER, name), file);
  return [basename(lua), basename(prelude), basename(FOLDER)];
}

/** Builds the executable of a system, or of this one if none is given. */
async function compile(outfile: string, assets: string[], target?: Target): Promise<void> {
  await Bun.build({
    entrypoints: [join(SRC, "main.ts"), join(SRC, "process/worker.ts")],
    // All files in one folder, so that a URL relative to a source file finds the worker and the assets.
    naming: { entry: "[name].[ext]" },
    // @redis/client loads it for one command that the service does not send.
    external: ["@node-rs/xxhash"],
    // A subcommand or an option then loads its own code only: 0.74 × the time of a start, else 1.01 ×.
    splitting: true,
    minify: { whitespace: true, syntax: true },
    // For the places in stack traces: 2 MB. Bytecode would halve the time of a start and take 7 MB.
    sourcemap: "linked",
    compile: {
      outfile,
      assets,
      // A file in the folder of the user is no configuration of an installed program.
      autoloadDotenv: false,
      autoloadBunfig: false,
      ...(target === undefined ? {} : { target: `bun-${target}` as const }),
    },
  });
  await chmod(outfile, 0o755);
}

async function buildAll(choice: (typeof OPTIONS.target.of)[number], out: string): Promise<void> {
  await mkdir(out, { recursive: true });
  // Beside the executables, so that they can be moved out of it. The bundler leaves its source maps in it.
  const folder = await mkdtemp(join(out, ".build-"));
  try {
    const assets = await stageAssets(folder);
    // The path of an asset in the executable is its path relative to the working directory.
    process.chdir(folder);
    const targets = choice === "all" ? TARGETS : [choice === "this" ? undefined : choice];
    for (const target of targets) {
      const name = target === undefined ? "ringcache" : `ringcache-${target}`;
      await compile(join(folder, name), assets, target);
      const path = join(out, name);
      await rename(join(folder, name), path);
      console.log(`${path}: ${(Bun.file(path).size / 1e6).toFixed(1)} MB`);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

try {
  const options = readOptions(OPTIONS, Bun.argv.slice(2), {}, undefined);
  if (options.help)
    console.log(`usage: bun run build [options]\n\n${helpText(OPTIONS, undefined)}`);
  else await buildAll(options.target, resolve(options.out));
} catch (error) {
  const errors: unknown[] = error instanceof AggregateError ? error.errors : [error];
  for (const each of errors)
    console.error(`build: ${each instanceof Error ? each.message : String(each)}`);
  process.exit(error instanceof OptionError ? 64 : 1);
}
