# dogpile.cache with the distributed lock: one maker at a time, many keys at once.
import os

from dogpile.cache import make_region

region = make_region().configure(
    "dogpile.cache.redis",
    expiration_time=100,
    arguments={
        "host": "127.0.0.1",
        "port": int(os.environ["PORT"]),
        "redis_expiration_time": 200,
        "distributed_lock": True,
        "lock_timeout": 60,
        "thread_local_lock": False,
    },
)
calls = []


def make():
    calls.append(1)
    return {"made": len(calls)}


region.delete("k")
assert region.get_or_create("k", make) == {"made": 1}
assert region.get_or_create("k", make) == {"made": 1}
region.set_multi({"a": 1, "b": 2})
assert region.get_multi(["a", "b"]) == [1, 2]
region.delete_multi(["a", "b", "k"])
assert region.get_or_create("k", make) == {"made": 2}
mutex = region.backend.get_mutex("m")
assert mutex.acquire(True)
mutex.release()
