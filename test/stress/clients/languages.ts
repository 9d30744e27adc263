// How each language installs packages into a folder of their own, and runs a script there.

import { copyFile } from "node:fs/promises";
import { join } from "node:path";

import type { Language, Setup } from "./setups.ts";

export interface Exit {
  readonly code: number | null;
  /** The output, standard error included. */
  readonly text: string;
}

interface Toolchain {
  /** The programs that it needs, and Debian's packages of them. */
  readonly programs: readonly string[];
  readonly debian: readonly string[];
  readonly script: string;
  readonly install: (packages: readonly string[]) => readonly (readonly string[])[];
  /** Prints the versions of these packages, one a line. */
  readonly versions: (packages: readonly string[]) => readonly string[];
  readonly run: readonly string[];
  /** Variables that name a folder inside the working directory. */
  readonly folders?: Readonly<Record<string, string>>;
}

/** Script and packages lie in one folder, the working directory of all commands. */
const SOURCES = new URL(".", import.meta.url).pathname;
const INSTALL_SECONDS_MAX = 600;
const SCRIPT_SECONDS_MAX = 60;

const BUN = process.execPath;
const VERSIONS_OF_NODE_MODULES = `
  for (const name of process.argv.slice(1))
    console.log(JSON.parse(require("fs").readFileSync("node_modules/" + name + "/package.json")).version);`;
const VERSIONS_OF_PYTHON =
  "import importlib.metadata as m, sys\nfor name in sys.argv[1:]: print(m.version(name))";
const DEBIAN = { DEBIAN_FRONTEND: "noninteractive" };

const JAVASCRIPT: Toolchain = {
  programs: [],
  debian: [],
  script: "main.mjs",
  install: (packages) => [[BUN, "add", "--exact", "--silent", ...packages]],
  versions: (packages) =>
    packages.length === 0
      ? [BUN, "--version"]
      : [BUN, "-e", VERSIONS_OF_NODE_MODULES, ...packages.map(withoutVersion)],
  run: [BUN, "main.mjs"],
};

const TOOLCHAINS: Readonly<Record<Language, Toolchain>> = {
  bun: JAVASCRIPT,
  node: { ...JAVASCRIPT, run: [Bun.which("node") ?? BUN, "main.mjs"] },
  python: {
    programs: ["python3"],
    debian: ["python3", "python3-pip"],
    script: "main.py",
    install: (packages) => [
      ["python3", "-m", "pip", "install", "--quiet", "--target", "packages", ...packages],
    ],
    versions: (packages) => ["python3", "-c", VERSIONS_OF_PYTHON, ...packages],
    run: ["python3", "main.py"],
    folders: { PYTHONPATH: "packages" },
  },
  go: {
    programs: ["go"],
    debian: ["golang-go"],
    script: "main.go",
    install: (packages) => [
      ["cp", join(SOURCES, "go/check.go"), "."],
      ["go", "mod", "init", "setup"],
      ["go", "get", ...packages.map((name) => `${name}@latest`)],
      ["go", "mod", "tidy"],
      ["go", "build", "-o", "setup", "."],
    ],
    versions: (packages) => ["go", "list", "-m", "-f", "{{.Version}}", ...packages],
    run: ["./setup"],
  },
  php: {
    programs: ["php"],
    debian: ["php-cli"],
    script: "main.php",
    install: debianInstall,
    versions: debianVersions,
    // Debian's default turns assertions off, and a script cannot turn them on.
    run: ["php", "-d", "zend.assertions=1", "main.php"],
  },
  ruby: {
    programs: ["ruby"],
    debian: ["ruby"],
    script: "main.rb",
    install: debianInstall,
    versions: debianVersions,
    run: ["ruby", "main.rb"],
  },
};

/** Returns why scripts of the language cannot run here; undefined if they can. */
export async function missingProgram(language: Language): Promise<string | undefined> {
  const { programs, debian } = TOOLCHAINS[language];
  const missing = () => programs.find((program) => Bun.which(program) === null);
  if (missing() !== undefined && Bun.which("apt-get") !== null && process.getuid?.() === 0) {
    await run(["apt-get", "install", "-y", "-qq", ...debian], "/", DEBIAN);
  }
  const program = missing();
  return program === undefined
    ? undefined
    : `${program} is missing: apt-get install ${debian.join(" ")}`;
}

/** Installs the newest packages of a set-up in a folder. Returns the versions of the first two. */
export async function install(setup: Setup, folder: string): Promise<readonly string[]> {
  const toolchain = TOOLCHAINS[setup.language];
  await copyScript(setup, folder);
  for (const command of setup.packages.length === 0 ? [] : toolchain.install(setup.packages)) {
    const { code, text } = await run(command, folder, environmentOf(setup, folder));
    if (code !== 0) throw new Error(`${command.join(" ")} failed:\n${text}`);
  }
  const shown = setup.packages.slice(0, 2);
  const command = toolchain.versions(shown);
  const { code, text } = await run(command, folder, environmentOf(setup, folder));
  if (code !== 0) throw new Error(`${command.join(" ")} failed:\n${text}`);
  const versions = text.trim().split("\n");
  if (shown.length === 0)
    return [`${setup.language === "php" ? "phpredis" : "Bun"} ${versions[0]}`];
  return shown.map((name, n) => `${withoutVersion(name)} ${versions[n]}`);
}

/** Runs the script of an installed set-up. */
export async function runScript(
  setup: Setup,
  folder: string,
  env: Setup["env"] = {},
): Promise<Exit> {
  const variables = { ...environmentOf(setup, folder), ...env };
  return await run(TOOLCHAINS[setup.language].run, folder, variables, SCRIPT_SECONDS_MAX);
}

/** PHP and Ruby take the packages of the system: apt-get is the only registry that they need. */
function debianInstall(packages: readonly string[]): readonly (readonly string[])[] {
  return [["apt-get", "install", "-y", "-qq", ...packages]];
}

/** dpkg-query prints packages in the order of their names, as SETUPS has them. */
function debianVersions(packages: readonly string[]): readonly string[] {
  return ["dpkg-query", "-W", "-f", "${source:Upstream-Version}\n", ...packages];
}

/** Puts the script of a set-up into its folder. */
export async function copyScript(setup: Setup, folder: string): Promise<void> {
  const language = setup.language === "bun" ? "node" : setup.language;
  const source = join(SOURCES, language, setup.script);
  await copyFile(source, join(folder, TOOLCHAINS[setup.language].script));
}

function environmentOf(setup: Setup, folder: string): Record<string, string> {
  const folders = Object.entries(TOOLCHAINS[setup.language].folders ?? {});
  const own = folders.map(([name, value]) => [name, join(folder, value)]);
  return { ...DEBIAN, ...Object.fromEntries(own), ...setup.env };
}

/** `ioredis@5` is a version that a library asks for. */
function withoutVersion(name: string): string {
  return name.replace(/(?<=.)@.*$/, "");
}

async function run(
  command: readonly string[],
  folder: string,
  env: Readonly<Record<string, string>>,
  secondsMax = INSTALL_SECONDS_MAX,
): Promise<Exit> {
  const child = Bun.spawn(["timeout", String(secondsMax), ...command], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const texts = [new Response(child.stdout).text(), new Response(child.stderr).text()];
  const [stdout = "", stderr = ""] = await Promise.all(texts);
  return { code: await child.exited, text: stdout + stderr };
}
