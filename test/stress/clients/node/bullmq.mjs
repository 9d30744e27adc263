// BullMQ: a job goes through a queue. It needs lists, hashes, sorted sets and streams.
import assert from "node:assert/strict";
import { Queue } from "bullmq";

const queue = new Queue("work", {
  connection: { port: Number(process.env.PORT), host: "127.0.0.1" },
});
const job = await queue.add("one", { number: 1 });
assert.equal((await queue.getJob(job.id)).data.number, 1);
await queue.close();
