# valkey-py: pipelines, Lock, client_info.
import os

import valkey

v = valkey.Valkey(port=int(os.environ["PORT"]), decode_responses=True)
v.flushall()
assert v.pipeline().set("n", 5).decr("n").execute() == [True, 4]
with v.lock("lock", timeout=60):
    assert v.exists("lock")
assert not v.exists("lock")
assert "qbuf" in v.client_info()
