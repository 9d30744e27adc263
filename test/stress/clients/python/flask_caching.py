# Flask-Caching: views, memoized functions, many keys.
import os

from flask import Flask
from flask_caching import Cache

app = Flask("app")
cache = Cache(
    app,
    config={
        "CACHE_TYPE": "RedisCache",
        "CACHE_REDIS_HOST": "127.0.0.1",
        "CACHE_REDIS_PORT": int(os.environ["PORT"]),
        "CACHE_DEFAULT_TIMEOUT": 100,
    },
)
calls = []


@cache.memoize(50)
def square(n):
    calls.append(n)
    return n * n


with app.app_context():
    cache.clear()
    assert square(3) == 9 and square(3) == 9 and calls == [3]
    cache.delete_memoized(square)
    assert square(3) == 9 and calls == [3, 3]
    cache.set("k", {"a": 1})
    assert cache.get("k") == {"a": 1} and cache.has("k")
    assert cache.add("k", 2) is False
    cache.set_many({"a": 1, "b": 2})
    assert cache.get_many("a", "b") == [1, 2]
    cache.delete_many("a", "b")
    assert cache.get("a") is None
    cache.clear()
    assert cache.get("k") is None
