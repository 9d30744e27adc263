// A secret, given directly or in a file. No message ever contains the secret.

import { readFileSync } from "node:fs";

import { isSecret, OptionError } from "../config/parse.ts";
import { errorCode } from "../linux/error-code.ts";

/** Returns the value, or the content of the file without its line end; "" if neither is given. Throws OptionError. */
export function readSecret(value: string, file: string, option: string): string {
  if (file === "") return value;
  if (value !== "") {
    throw new OptionError(`${option} and ${option}-file are both given; use one of them`);
  }
  const text = readOptionFile(`${option}-file`, file).replace(/\r?\n$/, "");
  if (isSecret(text)) return text;
  const problem = text === "" ? "is empty" : "has other content";
  const remedy = "it must hold one line of 1 to 512 visible characters of ASCII";
  throw new OptionError(`${option}-file ${file} ${problem}; ${remedy}`);
}

/** Returns the text of the file that an option names. Throws OptionError. */
export function readOptionFile(option: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const code = errorCode(error);
    throw new OptionError(
      `${option} ${file} cannot be read: ${readFailure(code) ?? String(error)}`,
    );
  }
}

function readFailure(code: string): string | undefined {
  const user = process.getuid?.();
  switch (code) {
    case "EACCES":
      return `user ${user} may not read it (EACCES); run: chown ${user} on it, or chmod a+r`;
    case "ENOENT":
      return "there is no such file (ENOENT)";
    case "EISDIR":
      return "it is a folder (EISDIR), which Docker makes where the file to mount is missing";
    default:
      return code === "" ? undefined : code;
  }
}
