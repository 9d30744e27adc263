# redis-py: pipelines (transactions by default), WATCH, Lock, scripts, pub/sub, databases.
import os

import redis

port = int(os.environ["PORT"])
for protocol in (2, 3):
    r = redis.Redis(port=port, protocol=protocol, decode_responses=True)
    r.flushall()
    assert r.pipeline().set("n", 5).decr("n").expire("n", 100).get("n").execute() == [True, 4, True, "4"]
    r.set("text", "abc")
    try:
        r.pipeline().incr("text").set("after", 1).execute()
        raise AssertionError("no error")
    except redis.ResponseError as error:
        assert "not an integer" in str(error), error
    assert r.get("after") == "1"

    def double(pipe):
        value = int(pipe.get("n"))
        if value == 4:
            r.set("n", 10)  # Makes the first try fail.
        pipe.multi()
        pipe.set("n", value * 2)

    r.transaction(double, "n")
    assert r.get("n") == "20", r.get("n")

    with r.lock("lock", timeout=60, blocking_timeout=0.1) as lock:
        assert not r.lock("lock", timeout=60).acquire(blocking=False)
        lock.extend(60)
        lock.reacquire()
        assert lock.owned()
    assert not r.exists("lock")

    add = r.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    assert add(keys=["n"], args=[2]) == 22

    subscriber = r.pubsub(ignore_subscribe_messages=True)
    subscriber.subscribe("news")
    subscriber.get_message(timeout=5)
    assert r.publish("news", "hello") == 1
    message = None
    while message is None:
        message = subscriber.get_message(timeout=5)
    assert (message["channel"], message["data"]) == ("news", "hello"), message
    subscriber.close()

    second = redis.Redis(port=port, db=1, protocol=protocol)
    assert second.get("n") is None
    second.set("k", 1)
    assert r.get("k") is None
    assert "qbuf" in r.client_info()
