// One command line for many scripts: `bun run COMMAND NAME [options]`.

/** Runs the script that the first argument names, which then reads the rest of the command line. Without a name it lists all. */
export async function runByName(
  command: string,
  scripts: Readonly<Record<string, string>>,
  run: (name: string) => Promise<unknown>,
): Promise<void> {
  const [name = "help"] = Bun.argv.splice(2, 1);
  if (Object.hasOwn(scripts, name)) {
    await run(name);
    return;
  }
  const width = Math.max(...Object.keys(scripts).map((each) => each.length));
  const lines = Object.entries(scripts).map(([each, text]) => `  ${each.padEnd(width)}  ${text}`);
  const usage = `usage: bun run ${command} NAME [options]\n\n${lines.join("\n")}\n`;
  if (["help", "--help", "-h"].includes(name)) {
    process.stdout.write(usage);
    return;
  }
  process.stderr.write(`${command}: there is no ${JSON.stringify(name)}\n\n${usage}`);
  process.exitCode = 64;
}
