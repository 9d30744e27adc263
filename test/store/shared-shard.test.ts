import { SharedShard } from "../../src/store/shared-shard.ts";
import { describeShard } from "./shard.contract.ts";

describeShard("SharedShard", () => new SharedShard(SharedShard.allocate(2 ** 24), 0));
