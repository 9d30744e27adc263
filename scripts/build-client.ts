// Builds dist/client.js and dist/client.d.ts, which `ringcache/client` exports: Node 20 runs no
// TypeScript. A test compares them with src/client. Run it after a change there:
//
//   bun scripts/build-client.ts

const ROOT = new URL("../", import.meta.url).pathname;
const ENTRY = `${ROOT}src/client/client.ts`;

/** Returns the client as one module. */
export async function bundleClient(minify: boolean): Promise<string> {
  const { outputs } = await Bun.build({
    entrypoints: [ENTRY],
    target: "browser",
    format: "esm",
    minify,
  });
  const [output] = outputs;
  if (output === undefined) throw new Error("the bundler made no file");
  // The bundler names the files of the sources; their paths differ between machines.
  return (await output.text()).replace(/^\/\/ .*\n/gm, "");
}

/** Returns the types of the module. */
export async function declareClient(): Promise<string> {
  const types = await Bun.file(`${ROOT}src/client/types.ts`).text();
  return `${types}
/** Returns a client of the service with this URL. It connects with the first request. */
export declare function connect(url: string | URL, options?: ConnectOptions): Client;

/** The service responded with an error. \`status\` is 0 if it did not respond. */
export declare class CacheError extends Error {
  readonly status: number;
}
`;
}

if (import.meta.main) {
  await Bun.write(`${ROOT}dist/client.js`, await bundleClient(false));
  await Bun.write(`${ROOT}dist/client.d.ts`, await declareClient());
  await Bun.$`bun fmt ${ROOT}dist`.quiet();
}
