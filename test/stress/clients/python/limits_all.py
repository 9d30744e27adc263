# limits, the base of Flask-Limiter and slowapi: the fixed and the moving window of the Redis storage.
import os

from limits import parse, storage, strategies

store = storage.storage_from_string(f"redis://127.0.0.1:{os.environ['PORT']}")
store.reset()
limit = parse("2/minute")
for name in os.environ.get("STRATEGIES", "FixedWindowRateLimiter").split(","):
    limiter = getattr(strategies, name)(store)
    assert limiter.hit(limit, name) and limiter.test(limit, name) and limiter.hit(limit, name), name
    assert not limiter.hit(limit, name), name
    assert limiter.get_window_stats(limit, name).remaining == 0
    limiter.clear(limit, name)
    assert limiter.hit(limit, name)
assert store.check()
