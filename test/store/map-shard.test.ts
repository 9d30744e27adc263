import { MapShard } from "../../src/store/map-shard.ts";
import { describeShard } from "./shard.contract.ts";

describeShard("MapShard", () => new MapShard());
