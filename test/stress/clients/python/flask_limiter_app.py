# Flask-Limiter with its default strategy: the third request is refused.
import os

import redis
from flask import Flask
from flask_limiter import Limiter

redis.Redis(port=int(os.environ["PORT"])).flushall()
app = Flask("app")
limiter = Limiter(
    lambda: "one",
    app=app,
    storage_uri=f"redis://127.0.0.1:{os.environ['PORT']}",
    default_limits=["2 per minute"],
    headers_enabled=True,
)


@app.route("/")
def page():
    return "ok"


client = app.test_client()
assert [client.get("/").status_code for _ in range(3)] == [200, 200, 429]
limiter.reset()
assert client.get("/").status_code == 200
