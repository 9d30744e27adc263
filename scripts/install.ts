// Installs the packages of bun.lock where node_modules lacks one of them; `--production` leaves out those of the tests.
// A complete node_modules costs neither network nor a write: a read-only checkout runs, and a start without network.

import "../src/config/runtime-version.ts";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..");
const EXIT_IO = 74;
const KINDS = ["dependencies", "devDependencies"] as const;

const isProduction = process.argv.includes("--production");
const kinds = KINDS.slice(0, isProduction ? 1 : 2);
const manifest = readJson<Manifest>("package.json");
const { workspaces, packages } = readJson<Lock>("bun.lock");

type Versions = Readonly<Record<string, string>>;

interface Manifest {
  readonly version?: string;
  readonly dependencies?: Versions;
  readonly devDependencies?: Versions;
  readonly optionalDependencies?: Versions;
  readonly os?: string | readonly string[];
  readonly cpu?: string | readonly string[];
}

interface Lock {
  readonly workspaces: Readonly<Record<"", Manifest>>;
  /** By the place in node_modules: "a", or "a/b" for the `b` of `a` alone. */
  readonly packages: Readonly<Record<string, readonly [id: string, registry: string, Manifest]>>;
}

function readJson<T>(path: string): T {
  // bun.lock has commas before closing brackets.
  const text = readFileSync(join(ROOT, path), "utf8").replace(/,(?=\s*[}\]])/g, "");
  return JSON.parse(text) as T;
}

/** Whether node_modules has every package that package.json asks for, in the version of bun.lock. */
function isComplete(): boolean {
  const seen = new Set<string>();

  const isInstalled = (name: string, parents: readonly string[]): boolean => {
    const places = parents.map((_, depth) => [...parents.slice(0, parents.length - depth), name]);
    const place = [...places, [name]].find((names) => names.join("/") in packages);
    const [id, , locked] = packages[place?.join("/") ?? ""] ?? [];
    if (place === undefined || id === undefined || locked === undefined) return false;
    if (seen.has(place.join("/"))) return true;
    seen.add(place.join("/"));
    const file = `${place.map((part) => `node_modules/${part}`).join("/")}/package.json`;
    if (!existsSync(join(ROOT, file))) return false;
    // Some packages write "v1.2.3".
    if (id !== `${name}@${readJson<Manifest>(file).version?.replace(/^v/, "")}`) return false;
    return hasAll(locked.dependencies, place) && hasOptional(locked.optionalDependencies, place);
  };
  const hasAll = (versions: Versions = {}, parents: readonly string[]): boolean =>
    Object.keys(versions).every((name) => isInstalled(name, parents));
  /** One of the builds of a package for this system is enough. */
  const hasOptional = (versions: Versions = {}, parents: readonly string[]): boolean => {
    const names = Object.keys(versions).filter((name) => {
      const [, , { os = [], cpu = [] }] = packages[name] ?? ["", "", {}];
      return [os].flat().includes(process.platform) && [cpu].flat().includes(process.arch);
    });
    return names.length === 0 || names.some((name) => isInstalled(name, parents));
  };
  return kinds.every((kind) => hasAll(manifest[kind], []));
}

function exitWith(message: string): never {
  console.error(`ringcache: ${message}`);
  process.exit(EXIT_IO);
}

if (!KINDS.every((kind) => Bun.deepEquals(manifest[kind], workspaces[""][kind]))) {
  exitWith("bun.lock and package.json name different packages; take both from one commit");
}
if (!isComplete()) {
  console.error("ringcache: installing packages");
  const options = ["--frozen-lockfile", ...(isProduction ? ["--production"] : [])];
  const command = [process.execPath, "install", ...options];
  const { success, stderr } = Bun.spawnSync(command, { cwd: ROOT, stdout: "ignore" });
  if (!success) {
    const text = stderr.toString();
    const errors = [...text.matchAll(/^error: (.*)$/gm)].map(([, error = ""]) => error);
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : "";
    exitWith(`bun install failed: ${errors[0] ?? text.trim().replaceAll("\n", " ")}${more}`);
  }
}
