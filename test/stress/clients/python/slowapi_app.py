# slowapi on Starlette: the third request is refused.
import os

import redis
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

redis.Redis(port=int(os.environ["PORT"])).flushall()
limiter = Limiter(key_func=lambda: "one", storage_uri=f"redis://127.0.0.1:{os.environ['PORT']}")


@limiter.limit("2/minute")
async def page(request):
    return PlainTextResponse("ok")


app = Starlette(routes=[Route("/", page)])
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
client = TestClient(app)
assert [client.get("/").status_code for _ in range(3)] == [200, 200, 429]
