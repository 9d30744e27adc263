// The documents are true: their transcripts run, their tables equal those of the code, and the
// files, scripts and headings that they name exist.

import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { Glob } from "bun";

import { BENCHES } from "../bench/benches.ts";
import packageJson from "../package.json";
import { optionsMarkdown } from "../src/config/config.ts";
import { commandsMarkdown } from "../src/resp/commands/table.ts";
import { runCommand } from "./lib/commands.ts";
import { freePort, startService } from "./lib/service.ts";
import { LONG_TESTS } from "./stress/long-tests.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const PAGES = [
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "CHANGELOG.md",
  "docs/protocol.md",
  "docs/caching.md",
  "docs/operations.md",
  "docs/scaling.md",
  "docs/design.md",
  "docs/benchmarks.md",
  "docs/glossary.md",
  "docs/releasing.md",
  "docs/security.md",
  "docs/snapshot-format.md",
  "docs/README.md",
  "docs/choosing.md",
  "docs/upgrading.md",
  "docs/faq.md",
  "docs/client.md",
  "docs/clients.md",
  "bench/README.md",
];
const LINE_COLUMNS_MAX = 120;
const README_LINES_MAX = 120;
/** A path of this repository as text writes it: `src/cache/ring.ts`, or a folder. Files in C are Redis's. */
const PATH = /(?<![\w./-])(?:src|test|bench|docs|scripts)\/(?!\S*\.[ch]\b)[\w./-]*\w/g;

interface Step {
  readonly command: string;
  /** The output of the command; "…" matches any text. */
  readonly printed: string;
}

for (const page of PAGES) {
  describe(page, async () => {
    const text = await Bun.file(join(ROOT, page)).text();

    const steps = transcriptsOf(text);
    if (steps.length > 0) {
      test("its commands print the output that it shows", () => expectPrinted(steps, runCommand));

      const programs = ["bash", "curl", "redis-cli"];
      test.skipIf(programs.some((program) => Bun.which(program) === null))(
        "its commands print that output with curl and redis-cli too",
        () => expectPrinted(steps, runInShell),
      );
    }

    const table = /<!-- options -->(.*)<!-- \/options -->/s.exec(text)?.[1];
    if (table !== undefined) {
      test("its table of options equals that of the service", () => {
        expect(cellsOf(table)).toEqual(cellsOf(optionsMarkdown()));
      });
    }

    const commands = /<!-- commands -->(.*)<!-- \/commands -->/s.exec(text)?.[1];
    if (commands !== undefined) {
      test("its table of commands equals that of the service", () => {
        expect(cellsOf(commands)).toEqual(cellsOf(commandsMarkdown()));
      });
    }

    test("names scripts, benches and long tests that exist", () => {
      const named = [...text.matchAll(/\bbun(?:@[\d.]+)? run ([\w-]+)(?: ([\w-]+))?/g)];
      for (const [, script = "", name = ""] of named) {
        expect([script, script in packageJson.scripts]).toEqual([script, true]);
        const names = { bench: BENCHES, stress: LONG_TESTS }[script];
        if (names !== undefined && !["", "NAME"].includes(name)) {
          expect([name, name in names]).toEqual([name, true]);
        }
      }
    });

    test("links to files and headings that exist", async () => {
      for (const [, target = "", anchor] of text.matchAll(/\]\(([^)#]*)(?:#([^)]*))?\)/g)) {
        if (target.includes("://")) continue;
        const path = target === "" ? join(ROOT, page) : join(ROOT, dirname(page), target);
        expect([target, existsSync(path)]).toEqual([target, true]);
        if (anchor === undefined) continue;
        expect(anchorsOf(await Bun.file(path).text())).toContain(anchor);
      }
    });

    test("names paths that exist", () => {
      expect(missingPaths(text)).toEqual([]);
    });

    test(`has no line of prose over ${LINE_COLUMNS_MAX} columns`, () => {
      const prose = text.replace(/^ *```.*?^ *```$/gms, "").split("\n");
      const long = prose.filter((line) => !line.startsWith("|") && line.length > LINE_COLUMNS_MAX);
      expect(long).toEqual([]);
    });
  });
}

test(`README.md has at most ${README_LINES_MAX} lines`, async () => {
  const lines = (await Bun.file(join(ROOT, "README.md")).text()).split("\n");
  expect(lines.length - 1).toBeLessThanOrEqual(README_LINES_MAX);
});

test("the comments of src name paths that exist", async () => {
  const missing: string[] = [];
  for await (const file of new Glob("src/**/*.{ts,css,html}").scan(ROOT)) {
    const comments = commentsOf(await Bun.file(join(ROOT, file)).text());
    for (const path of missingPaths(comments)) missing.push(`${file}: ${path}`);
  }
  expect(missing).toEqual([]);
});

function missingPaths(text: string): string[] {
  const paths = [...text.matchAll(PATH)].map(([path]) => path);
  return paths.filter((path) => !existsSync(join(ROOT, path)));
}

function commentsOf(source: string): string {
  return [...source.matchAll(/^\s*\/\/.*$|\/\*.*?\*\//gms)].map(([comment]) => comment).join("\n");
}

/** The anchors that GitHub gives to the headings of a page. */
function anchorsOf(page: string): string[] {
  const headings = [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, "")
      .replaceAll(" ", "-"),
  );
}

/** The commands of all ```console blocks, each with the lines below it. */
function transcriptsOf(text: string): Step[] {
  const steps: Step[] = [];
  for (const [, block = ""] of text.matchAll(/^```console\n(.*?)^```$/gms)) {
    for (const part of block.split(/^\$ /m).slice(1)) {
      const [command = "", ...lines] = part.trimEnd().split("\n");
      steps.push({ command, printed: lines.join("\n") });
    }
  }
  return steps;
}

/** Runs the commands with a service of their own, on free ports. */
async function expectPrinted(
  steps: readonly Step[],
  run: (command: string) => Promise<string>,
): Promise<void> {
  const redisPort = freePort();
  await using service = await startService(["--resp-port", `${redisPort}`]);
  for (const { command, printed } of steps) {
    const here = command
      .replace("localhost:7171", service.url)
      .replace("-p 7172", `-p ${redisPort}`);
    const output = await run(here);
    const expected = expect.stringMatching(patternOf(printed));
    expect([command, output]).toEqual([command, expected]);
  }
}

async function runInShell(command: string): Promise<string> {
  const here = command.replace(/^bun /, `${process.execPath} `);
  const result = await Bun.$`bash -c ${here} 2>&1`.cwd(ROOT).nothrow().quiet();
  return result.stdout.toString().trimEnd();
}

function patternOf(printed: string): RegExp {
  const parts = printed.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}

/** A Markdown table without the spaces and dashes that a formatter moves. */
function cellsOf(table: string): string[][] {
  const rows = table.trim().split("\n");
  const cells = rows.map((row) => row.split("|").map((cell) => cell.trim()));
  return cells.filter((row) => !row.every((cell) => /^-*$/.test(cell)));
}
