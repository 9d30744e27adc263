import { MapShard } from "../../../../src/cache/store/map-shard.ts";
import { describeLimit } from "./limit.contract.ts";
import { describeParts } from "./parts.contract.ts";
import { describeShard } from "./shard.contract.ts";

describeShard("MapShard", () => new MapShard(2 ** 26));
describeParts("MapShard", () => new MapShard(2 ** 26));
describeLimit("MapShard", (bytes, evicts) => new MapShard(bytes, evicts));
