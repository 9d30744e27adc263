// What a protocol costs in Bun without this service: `bun floors.ts FLOOR` serves GET /get?key=KEY
// and POST /put, or the Redis protocol, on a free port, and prints its address.
//
// static: both responses are constants, and no JavaScript runs.
// dynamic: a handler reads `req.url` or `req.json()`, and responds with a constant.
// lru: the smallest cache: 20 lines of Bun.serve and quick-lru.
// resp: Bun.listen counts the commands of redis-benchmark and responds with a constant to each.

import QuickLRU from "quick-lru";

const BODY = JSON.stringify({ status: "OK", key: "key:00000", value: "v".repeat(100) });
/** The load tool sends its requests without a key to "/". */
const ROOT = Response.json(JSON.parse(BODY));
const STORED = '{"status":"OK"}';
// The cheapest constant response that a handler can make (see src/http/api/respond.ts).
const JSON_TYPE = { type: " application/json" };
const BODY_BLOB = new Blob([BODY], JSON_TYPE);
const STORED_BLOB = new Blob([STORED], JSON_TYPE);

type Routes = Record<"/get" | "/put", Response | ((req: Request) => Response | Promise<Response>)>;

const FLOORS: Readonly<Record<string, () => Routes>> = {
  static: () => ({
    "/get": Response.json(JSON.parse(BODY)),
    "/put": Response.json(JSON.parse(STORED)),
  }),
  dynamic: () => {
    let read = 0;
    return {
      "/get"(req) {
        read += req.url.length;
        return new Response(read < 0 ? undefined : BODY_BLOB);
      },
      async "/put"(req) {
        const { key } = (await req.json()) as { readonly key: string };
        read += key.length;
        return new Response(read < 0 ? undefined : STORED_BLOB);
      },
    };
  },
  lru: () => {
    const values = new QuickLRU<string, string>({ maxSize: 1_000_000 });
    return {
      "/get"(req) {
        const key = new URL(req.url).searchParams.get("key") ?? "";
        const value = values.get(key);
        return value === undefined
          ? Response.json({ status: "ERROR", message: "Key not found." }, { status: 404 })
          : Response.json({ status: "OK", key, value });
      },
      async "/put"(req) {
        const { key, value } = (await req.json()) as Record<"key" | "value", string>;
        values.set(key, value);
        return Response.json({ status: "OK" });
      },
    };
  },
};

const bulk = `$100\r\n${"v".repeat(100)}\r\n`;
/** The response by the first letters of the command. */
const RESPONSES: readonly (readonly [string, string])[] = [
  ["GET", bulk],
  ["MGET", `*10\r\n${bulk.repeat(10)}`],
  ["INCR", ":1\r\n"],
  ["SET", "+OK\r\n"],
  ["MSET", "+OK\r\n"],
];
const PIPELINE_MAX = 64;

/** What a connection sends: redis-benchmark's commands on one connection all have one length. */
interface Stream {
  readonly commandBytes: number;
  readonly responses: Buffer;
  readonly responseBytes: number;
  /** Bytes of a command that has not arrived whole. */
  rest: number;
}

function streamOf(first: Buffer): Stream {
  const text = first.toString("latin1");
  const next = text.indexOf("\n*", 1);
  const name = /^\*\d+\r\n\$\d+\r\n(\w+)/.exec(text)?.[1]?.toUpperCase();
  const response = RESPONSES.find(([command]) => command === name)?.[1] ?? "-ERR a floor\r\n";
  return {
    commandBytes: next < 0 ? text.length : next + 1,
    responses: Buffer.from(response.repeat(PIPELINE_MAX + 1)),
    responseBytes: response.length,
    rest: 0,
  };
}

function listen(): string {
  const listener = Bun.listen<{ stream: Stream | undefined }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket) => void (socket.data = { stream: undefined }),
      data(socket, chunk) {
        const stream = (socket.data.stream ??= streamOf(chunk));
        const bytes = stream.rest + chunk.length;
        const commands = Math.floor(bytes / stream.commandBytes);
        stream.rest = bytes - commands * stream.commandBytes;
        socket.write(stream.responses.subarray(0, commands * stream.responseBytes));
      },
    },
  });
  return `http://127.0.0.1:${listener.port}`;
}

function serve(routes: () => Routes): string {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    development: false,
    routes: { "/": ROOT, ...routes() },
  });
  return server.url.origin;
}

const name = Bun.argv[2] ?? "";
const routes = FLOORS[name];
if (routes === undefined && name !== "resp") {
  throw new Error(`no floor ${JSON.stringify(name)}: static, dynamic, lru or resp`);
}
console.log(routes === undefined ? listen() : serve(routes));
