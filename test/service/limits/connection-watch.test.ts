// The limit of connections counts those of its own port.

import { expect, test } from "bun:test";

import { connect } from "../../lib/raw.ts";
import { serve } from "../../lib/service.ts";

test.skipIf(process.platform !== "linux")(
  "the limit of a port does not count connections of another port",
  async () => {
    await using crowded = serve("--max-connections", "20");
    await using quiet = serve("--max-connections", "20");
    /** Requests over a new connection. */
    const get = async (url: string) =>
      (await fetch(`${url}/livez`, { headers: { connection: "close" } })).status;
    const crowd = await Promise.all(Array.from({ length: 50 }, () => connect(crowded.url)));
    // The flood is more than twice the limit: a new connection is rejected.
    while ((await get(crowded.url)) !== 503) await Bun.sleep(1);
    expect(await get(quiet.url)).toBe(200);
    for (const connection of crowd) connection[Symbol.dispose]();
    while ((await get(crowded.url)) !== 200) await Bun.sleep(1);
  },
);
