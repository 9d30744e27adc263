// The dashboard: bundled by Bun when somebody first asks for it, which takes 15 ms, and kept.

import { Refusal } from "./answers.ts";

const PAGE = new URL("../dashboard/page.html", import.meta.url).pathname;
/** The folder of the page's scripts and styles. Their names change with their content. */
const FOLDER = "dashboard/";
export const ASSETS = `/${FOLDER}`;

/** The page runs its own code, speaks to its own service, and is shown in nobody's frame. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

interface File {
  readonly bytes: ArrayBuffer;
  readonly type: string;
}

export class Page {
  #files: Promise<ReadonlyMap<string, File>> | undefined;

  async html(): Promise<Response> {
    return await this.#answer("", "no-cache");
  }

  /** A script or style of the page. */
  async asset(name: string): Promise<Response> {
    return await this.#answer(name, "public, max-age=31536000, immutable");
  }

  async #answer(name: string, caching: string): Promise<Response> {
    this.#files ??= bundle();
    const file = (await this.#files).get(name);
    if (file === undefined) return new Refusal(404, "no such file of the dashboard").toResponse();
    return new Response(file.bytes, {
      headers: {
        "content-type": file.type,
        "cache-control": caching,
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
      },
    });
  }
}

/** The files by their names; that of the page itself is empty. */
async function bundle(): Promise<ReadonlyMap<string, File>> {
  const { outputs } = await Bun.build({
    entrypoints: [PAGE],
    target: "browser",
    minify: true,
    // Relative: a proxy may serve the page under a path of its own.
    publicPath: FOLDER,
  });
  const files = outputs.map(async (output): Promise<[string, File]> => {
    const name = output.path.replace(/^.*\//, "");
    const file = { bytes: await output.arrayBuffer(), type: output.type };
    return [name.endsWith(".html") ? "" : name, file];
  });
  return new Map(await Promise.all(files));
}
