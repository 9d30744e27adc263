// One load of bench memory in a process of its own: `bun memory-run.ts NAME HTTP-PORT RESP-PORT`.

import { CLIENT_LOADS } from "./memory-loads-clients.ts";
import { HTTP_LOADS } from "./memory-loads-http.ts";
import { command, openPeers } from "./memory-peer.ts";
import { RESP_LOADS } from "./memory-loads-resp.ts";

/** Together 115 MB, more than the default of --memory in 256 MiB. */
const FILL_BLOCKS = 115;
const FILL_VALUE = Buffer.alloc(1000, 120);

const [name, http, resp] = Bun.argv.slice(2);
const load = [...RESP_LOADS, ...CLIENT_LOADS, ...HTTP_LOADS].find((one) => one.name === name);
if (load === undefined) throw new Error(`no load "${name}"`);
await fill(Number(resp));
await load.run({ http: Number(http), resp: Number(resp) });
process.exit(0);

/** Fills the cache: the formula allows for a full one. Does nothing where the service asks for a token. */
async function fill(port: number): Promise<void> {
  await using peers = await openPeers(port, 1);
  const [peer] = peers.all;
  if (peer === undefined) return;
  for (let block = 0; block < FILL_BLOCKS; block++) {
    const { promise, resolve } = Promise.withResolvers<void>();
    peer.onData = () => resolve();
    const keys = Array.from({ length: 1000 }, (_, n) => [`fill:${block}:${n}`, FILL_VALUE]);
    peer.send(command("MSET", ...keys.flat()));
    await Promise.race([promise, Bun.sleep(1000)]);
  }
}
