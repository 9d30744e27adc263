// The contract as a program of any runtime: client.test.ts bundles it, and Node, Deno and Chromium run it.

import { connect } from "../../../dist/client.js";
import { brokenLaws } from "./contract.ts";

interface Program {
  readonly argv?: readonly string[];
  readonly process?: { readonly argv: readonly string[] };
  readonly Deno?: { readonly args: readonly string[] };
  runContract?: (url: string) => Promise<string[]>;
}

const program = globalThis as unknown as Program;
program.runContract = (url) => brokenLaws(url, connect);

const url = program.Deno === undefined ? program.process?.argv[2] : program.Deno.args[0];
if (url !== undefined) {
  // Node ends when only the timer of a timeout is left, and a law waits for nothing else.
  const alive = setInterval(() => {}, 1000);
  console.log(JSON.stringify(await program.runContract(url)));
  clearInterval(alive);
}
