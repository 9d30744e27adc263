# aiocache: many keys with a lifetime, increments, locks.
import asyncio
import os


async def main():
    port = int(os.environ["PORT"])
    try:
        from aiocache import Cache

        cache = Cache(Cache.REDIS, endpoint="127.0.0.1", port=port, namespace="main")
    except AttributeError:
        from aiocache.backends.redis import RedisCache
        import redis.asyncio

        cache = RedisCache(redis.asyncio.Redis(port=port), namespace="main")
    from aiocache.lock import RedLock

    await cache.clear()
    await cache.set("k", "v", ttl=100)
    assert await cache.get("k") == "v"
    await cache.multi_set([["a", "1"], ["b", "2"]], ttl=100)
    assert await cache.multi_get(["a", "b", "missing"]) == ["1", "2", None]
    await cache.multi_set([["c", "1"]])
    assert await cache.increment("n", 5) == 5
    assert await cache.exists("k") and await cache.expire("k", 50)
    try:
        await cache.add("k", "v")
        raise AssertionError("no error")
    except ValueError:
        pass
    async with RedLock(cache, "lock", lease=60):
        pass
    assert await cache.delete("k") == 1
    await cache.clear()
    assert await cache.get("a") is None
    await cache.close()


asyncio.run(main())
