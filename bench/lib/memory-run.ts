// One load of bench memory in a process of its own: `bun memory-run.ts NAME HTTP-PORT RESP-PORT`.

import { HTTP_LOADS } from "./memory-loads-http.ts";
import { RESP_LOADS } from "./memory-loads-resp.ts";

const [name, http, resp] = Bun.argv.slice(2);
const load = [...RESP_LOADS, ...HTTP_LOADS].find((one) => one.name === name);
if (load === undefined) throw new Error(`no load "${name}"`);
await load.run({ http: Number(http), resp: Number(resp) });
process.exit(0);
