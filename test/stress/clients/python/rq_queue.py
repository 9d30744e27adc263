# RQ: a job goes through a queue. It needs lists, sets and hashes.
import os

import redis
from rq import Queue

connection = redis.Redis(port=int(os.environ["PORT"]))
job = Queue(connection=connection).enqueue(print, "work")
assert job.id
