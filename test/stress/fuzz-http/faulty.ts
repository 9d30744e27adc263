// The service behind a proxy with a fault that was asked for: the control that shows that the
// fuzzer sees such faults.

import { connect, createServer, type Server } from "node:net";

import { type Child, startChild } from "./child.ts";

interface Fault {
  /** What the fuzzer says of it. */
  readonly seenAs: RegExp;
  /** Bytes of requests and answers, as latin1, as they are passed on; null for none, ever again. */
  readonly request?: (bytes: string) => string;
  readonly answer?: (bytes: string) => string | null;
  readonly rssMb?: number;
  /** The service is killed after this number of pieces of requests. */
  readonly endsAfter?: number;
}

const replacing = (pattern: RegExp, by: string) => (bytes: string) => bytes.replace(pattern, by);

export const FAULTS = {
  "reads a wrong length as 0": {
    seenAs: /kept:\d+ is gone|kept entries are there/,
    request: replacing(/Content-Length: [^\d\r][^\r]*\r/g, "Content-Length: 0\r"),
  },
  "answers with 500": {
    seenAs: /an answer of 500/,
    answer: replacing(/HTTP\/1\.1 405/g, "HTTP/1.1 500"),
  },
  "answers what is not HTTP": {
    seenAs: /an answer is not HTTP/,
    answer: replacing(/Content-Length: 2/g, "Content-Length; 2"),
  },
  "answers what is not JSON": {
    seenAs: /an answer is not JSON/,
    answer: replacing(/\{"status":"OK"\}/g, '{"status":"OK",'),
  },
  "answers with another key": {
    seenAs: /is not of its key/,
    answer: replacing(/"OK","key":"f/g, '"OK","key":"g'),
  },
  "closes a connection instead of answering": {
    seenAs: /closed a connection when/,
    answer: (bytes) => (bytes.includes(" 409 ") ? null : bytes),
  },
  "takes too much memory": { seenAs: /MB are resident/, rssMb: 1000 },
  ends: { seenAs: /the service has ended with/, endsAfter: 2000 },
} as const satisfies Readonly<Record<string, Fault>>;

/** Starts the service and the proxy, whose port it answers. */
export async function startFaulty(fault: Fault): Promise<Child> {
  const child = await startChild();
  let pieces = 0;
  const passed = fault.request ?? ((bytes: string) => bytes);
  const answered = fault.answer ?? ((bytes: string) => bytes);
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const service = connect({ host: "127.0.0.1", port: child.port, allowHalfOpen: true });
    const drop = () => {
      client.destroy();
      service.destroy();
    };
    client.on("data", (bytes) => {
      if (++pieces === fault.endsAfter) void child[Symbol.asyncDispose]();
      service.write(Buffer.from(passed(bytes.toString("latin1")), "latin1"));
    });
    service.on("data", (bytes) => {
      const answer = answered(bytes.toString("latin1"));
      if (answer === null) drop();
      else client.write(Buffer.from(answer, "latin1"));
    });
    for (const [one, other] of [
      [client, service],
      [service, client],
    ] as const) {
      one.on("end", () => other.end());
      one.on("error", drop);
    }
  });
  const port = await listening(server);
  return {
    ...child,
    port,
    rssMb: () => fault.rssMb ?? child.rssMb(),
    async [Symbol.asyncDispose]() {
      server.close();
      await child[Symbol.asyncDispose]();
    },
  };
}

/** Resolves with the free port that it has taken. */
async function listening(server: Server): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("there is no port");
  return address.port;
}
