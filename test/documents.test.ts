// The documents are true: their transcripts run, their tables are the code's,
// what they name exists.

import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

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
  "docs/protocol.md",
  "docs/operations.md",
  "docs/design.md",
  "docs/security.md",
  "docs/snapshot-format.md",
  "bench/README.md",
];

interface Step {
  readonly command: string;
  /** What the command prints; "…" stands for anything. */
  readonly printed: string;
}

for (const page of PAGES) {
  describe(page, async () => {
    const text = await Bun.file(join(ROOT, page)).text();

    const steps = transcriptsOf(text);
    if (steps.length > 0) {
      test("prints what it says", () => expectPrinted(steps, runCommand));

      const programs = ["bash", "curl", "redis-cli"];
      test.skipIf(programs.some((program) => Bun.which(program) === null))(
        "prints what it says, with curl and redis-cli",
        () => expectPrinted(steps, runInShell),
      );
    }

    const table = /<!-- options -->(.*)<!-- \/options -->/s.exec(text)?.[1];
    if (table !== undefined) {
      test("has the table of options that config.ts has", () => {
        expect(cellsOf(table)).toEqual(cellsOf(optionsMarkdown()));
      });
    }

    const commands = /<!-- commands -->(.*)<!-- \/commands -->/s.exec(text)?.[1];
    if (commands !== undefined) {
      test("has the table of commands that the service has", () => {
        expect(cellsOf(commands)).toEqual(cellsOf(commandsMarkdown()));
      });
    }

    test("names scripts, benches and long tests that exist", () => {
      const named = [...text.matchAll(/\bbun(?:@[\d.]+)? run ([\w-]+)(?: ([\w-]+))?/g)];
      for (const [, script = "", name = ""] of named) {
        expect([script, script in packageJson.scripts]).toEqual([script, true]);
        const names = { bench: BENCHES, stress: LONG_TESTS }[script];
        if (names !== undefined && !["", "NAME"].includes(name))
          expect([name, name in names]).toEqual([name, true]);
      }
    });

    test("links to files that exist", async () => {
      for (const [, target = ""] of text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
        if (target.includes("://")) continue;
        const path = join(ROOT, dirname(page), target);
        expect([target, existsSync(path)]).toEqual([target, true]);
      }
    });
  });
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

/** Runs the commands as they stand, but on a service of their own. */
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
