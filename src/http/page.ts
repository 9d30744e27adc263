// The dashboard: bundled by Bun once, which takes 15 ms, and kept in memory. An executable contains the
// bundled files instead of the sources (scripts/build.ts).

import { readdirSync } from "node:fs";

import { HttpError } from "./error.ts";

const PAGE = new URL("../dashboard/page.html", import.meta.url).pathname;
/** The folder of the page's scripts and styles. Their names change with their content. */
export const FOLDER = "dashboard/";
export const ASSETS = `/${FOLDER}`;

/** The page runs its own code, connects to its own service, and is shown in no frame. */
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
  /** All responses share it: a response that is not read keeps no copy. */
  readonly content: Blob;
  readonly type: string;
}

export class Page {
  #files: Promise<ReadonlyMap<string, File>> | undefined;

  async html(): Promise<Response> {
    return await this.#respond("", "no-cache");
  }

  /** Returns a script or style of the page. */
  async asset(name: string): Promise<Response> {
    return await this.#respond(name, "public, max-age=31536000, immutable");
  }

  #bundled(): Promise<ReadonlyMap<string, File>> {
    return (this.#files ??= readFiles().catch((error: unknown) => {
      // For example no free descriptor: the next request tries again.
      this.#files = undefined;
      throw error;
    }));
  }

  async #respond(name: string, cacheControl: string): Promise<Response> {
    const file = (await this.#bundled()).get(name);
    if (file === undefined) return new HttpError(404, "no such file of the dashboard").toResponse();
    return new Response(file.content, {
      headers: {
        "content-type": file.type,
        "cache-control": cacheControl,
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
      },
    });
  }
}

/** Returns the files by their names; the name of the page itself is empty. */
async function readFiles(): Promise<ReadonlyMap<string, File>> {
  const bundle = Bun.isStandaloneExecutable ? embeddedPage() : await bundlePage();
  const files = [...bundle].map(async ([name, blob]): Promise<[string, File]> => {
    const content = new Blob([await blob.arrayBuffer()]);
    return [name.endsWith(".html") ? "" : name, { content, type: blob.type }];
  });
  return new Map(await Promise.all(files));
}

/** Bundles the page; returns its files by their names. */
export async function bundlePage(): Promise<ReadonlyMap<string, Blob>> {
  const { outputs } = await Bun.build({
    entrypoints: [PAGE],
    target: "browser",
    minify: true,
    // Relative: a proxy may serve the page under a path of its own.
    publicPath: FOLDER,
  });
  return new Map(outputs.map((output) => [output.path.replace(/^.*\//, ""), output]));
}

/** Returns the files that an executable contains, by their names. */
function embeddedPage(): ReadonlyMap<string, Blob> {
  const folder = `${import.meta.dir}/${FOLDER}`;
  return new Map(readdirSync(folder).map((name) => [name, Bun.file(folder + name)]));
}
