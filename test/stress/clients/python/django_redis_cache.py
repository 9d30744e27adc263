# django-redis on database 1: set_many, locks, patterns, lifetimes.
import os

import django
from django.conf import settings

settings.configure(
    CACHES={
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": f"redis://127.0.0.1:{os.environ['PORT']}/1",
            "OPTIONS": {"CLIENT_CLASS": "django_redis.client.DefaultClient"},
        }
    },
    SECRET_KEY="secret",
)
django.setup()
from django.core.cache import cache

cache.clear()
cache.set("k", {"a": [1, 2]}, timeout=100)
assert cache.get("k") == {"a": [1, 2]} and 0 < cache.ttl("k") <= 100
assert cache.set("k", 1, nx=True) is False or cache.get("k") == {"a": [1, 2]}
cache.set_many({"a": 1, "b": "two"}, 30)
assert cache.get_many(["a", "b"]) == {"a": 1, "b": "two"}
assert cache.incr("a", 5) == 6
try:
    cache.incr("missing")
    raise AssertionError("no error")
except ValueError:
    pass
with cache.lock("lock", timeout=60):
    assert cache.keys("lock*") == ["lock"] or cache.has_key("lock") or True
assert cache.lock("lock", timeout=5).acquire(blocking=False)
assert sorted(cache.keys("[ab]")) == ["a", "b"]
assert cache.delete_pattern("[ab]") == 2
assert cache.persist("k") and cache.ttl("k") is None and cache.expire("k", 50)
assert cache.touch("k", 60) and cache.delete("k")
