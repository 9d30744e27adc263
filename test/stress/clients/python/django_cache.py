# Django's own Redis cache and its sessions in the cache.
import os

import django
from django.conf import settings

settings.configure(
    CACHES={
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": f"redis://127.0.0.1:{os.environ['PORT']}",
        }
    },
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    INSTALLED_APPS=["django.contrib.sessions"],
    SECRET_KEY="secret",
)
django.setup()
from django.contrib.sessions.backends.cache import SessionStore
from django.core.cache import cache

cache.clear()
cache.set("k", {"a": [1, 2]}, 100)
assert cache.get("k") == {"a": [1, 2]}
assert cache.add("k", 1) is False and cache.add("new", 1) is True
assert cache.set_many({"a": 1, "b": "two"}, 100) == []
assert cache.get_many(["a", "b", "missing"]) == {"a": 1, "b": "two"}
assert cache.incr("a", 5) == 6 and cache.decr("a") == 5
assert cache.get_or_set("made", lambda: 7) == 7
assert cache.touch("a", 200) and cache.has_key("a")
cache.delete_many(["a", "b"])
assert cache.get("a") is None and cache.delete("k")
try:
    cache.incr("missing")
    raise AssertionError("no error")
except ValueError:
    pass
session = SessionStore()
session["user"] = 42
session.save()
again = SessionStore(session_key=session.session_key)
assert again["user"] == 42
again.flush()
assert not SessionStore().exists(session.session_key)
