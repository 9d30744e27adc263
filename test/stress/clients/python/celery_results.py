# Celery keeps results in Redis (the broker is in memory): a waiting client is told by pub/sub.
import os

from celery import Celery
from celery.contrib.testing.worker import start_worker

app = Celery("app", broker="memory://", backend=f"redis://127.0.0.1:{os.environ['PORT']}/0")


@app.task
def add(a, b):
    return a + b


@app.task
def fail():
    raise ValueError("planned")


with start_worker(app, perform_ping_check=False, pool="solo"):
    result = add.delay(2, 3)
    assert result.get(timeout=60) == 5
    failed = fail.delay()
    try:
        failed.get(timeout=60)
        raise AssertionError("no error")
    except ValueError as error:
        assert "planned" in str(error)
    result.forget()
