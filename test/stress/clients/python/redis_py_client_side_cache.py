# redis-py keeps values in the client; the server tells it which keys have changed.
import os

import redis
from redis.cache import CacheConfig

port = int(os.environ["PORT"])
r = redis.Redis(port=port, protocol=3, cache_config=CacheConfig(), decode_responses=True)
other = redis.Redis(port=port)
other.flushall()
other.set("k", 1)
assert r.get("k") == "1"
assert r.get_cache().size == 1
other.set("k", 2)
for _ in range(1000):
    if r.get("k") == "2":
        break
assert r.get("k") == "2"
