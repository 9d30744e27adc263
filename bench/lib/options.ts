// The options of a bench: read from the command line, or help, or one line and the end.

import {
  helpText,
  OptionError,
  type OptionTable,
  type OptionValues,
  readOptions,
} from "../../src/config/parse.ts";

/** `name` is that of the script in package.json. Ends the process after --help, and with 64 on a bad option. */
export function optionsOrExit<T extends OptionTable>(name: string, table: T): OptionValues<T> {
  if (Bun.argv.includes("--help")) {
    process.stdout.write(`usage: bun run ${name} [options]\n\n${helpText(table, undefined)}\n`);
    process.exit(0);
  }
  try {
    return readOptions(table, Bun.argv.slice(2), {}, undefined);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    process.stderr.write(`${name}: ${error.message}\n`);
    process.exit(64);
  }
}
