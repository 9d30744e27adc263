// The dashboard: bundled by Bun once, which takes 15 ms, and kept.

import { HttpError } from "./error.ts";

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
  /** All answers share it: an answer that is not read keeps no copy. */
  readonly content: Blob;
  readonly type: string;
}

export class Page {
  #files: Promise<ReadonlyMap<string, File>> | undefined;

  /** Bundles the page, for the first request to find it. */
  async prepare(): Promise<void> {
    await this.#bundled();
  }

  async html(): Promise<Response> {
    return await this.#answer("", "no-cache");
  }

  /** A script or style of the page. */
  async asset(name: string): Promise<Response> {
    return await this.#answer(name, "public, max-age=31536000, immutable");
  }

  #bundled(): Promise<ReadonlyMap<string, File>> {
    return (this.#files ??= bundle().catch((error: unknown) => {
      // Without a free descriptor, for example: the next request tries again.
      this.#files = undefined;
      throw error;
    }));
  }

  async #answer(name: string, caching: string): Promise<Response> {
    const file = (await this.#bundled()).get(name);
    if (file === undefined) return new HttpError(404, "no such file of the dashboard").toResponse();
    return new Response(file.content, {
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
    const content = new Blob([await output.arrayBuffer()]);
    const file = { content, type: output.type };
    return [name.endsWith(".html") ? "" : name, file];
  });
  return new Map(await Promise.all(files));
}
