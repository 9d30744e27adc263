// Clients that send a byte a second, as many as are asked for, until the process is ended:
// `bun slow-clients-run.ts PORT COUNT http|resp` prints a line once all of them are connected. One that
// the service closes is followed by another.

import type { Socket } from "bun";

const [port = "", count = "", protocol = ""] = Bun.argv.slice(2);

/** The bytes that a client sends first, and the byte that it then sends each second. */
const HABITS: Readonly<Record<string, readonly (readonly [head: string, drip: string])[]>> = {
  http: [
    ["GET /get?key=slow HTTP/1.1\r\nhost: localhost\r\nx-slow: ", "x"],
    ["POST /put HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4000000\r\n\r\n", " "],
  ],
  resp: [
    ["*2\r\n$4\r\nECHO\r\n$60000\r\n", "x"],
    ["ECHO ", "x"],
  ],
};
const habits = HABITS[protocol] ?? [];
const open = new Map<Socket, string>();

async function connect(n: number): Promise<void> {
  const [head = "", drip = ""] = habits[n % habits.length] ?? [];
  await Bun.connect({
    hostname: "127.0.0.1",
    port: Number(port),
    socket: {
      open(socket) {
        socket.write(head);
        open.set(socket, drip);
      },
      data() {},
      close(socket) {
        open.delete(socket);
        setTimeout(() => void connect(n), 1000);
      },
    },
  });
}

for (let n = 0; n < Number(count); n++) await connect(n);
console.log(`${open.size} connected`);
setInterval(() => {
  for (const [socket, drip] of open) socket.write(drip);
}, 1000);
