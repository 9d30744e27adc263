# Runs calls of redis-py that come as lines of JSON and answers each with a line.

import base64
import json
import sys

import redis

client = redis.Redis(host="127.0.0.1", port=int(sys.argv[1]))


def text(answer):
    """What answers hold, as JSON can say it."""
    if isinstance(answer, bytes):
        return answer.decode()
    if isinstance(answer, list):
        return [text(part) for part in answer]
    if answer is True:
        return "OK"
    return answer


def call(*args):
    # As sent: redis-py would make a table of what CLIENT INFO answers.
    connection = client.connection_pool.get_connection(args[0])
    try:
        connection.send_command(*args)
        return connection.read_response()
    finally:
        client.connection_pool.release(connection)


def get_bytes(key):
    value = client.get(key)
    return None if value is None else base64.b64encode(value).decode()


def pipeline(commands):
    batch = client.pipeline(transaction=False)
    for command in commands:
        batch.execute_command(*command)
    return batch.execute()


CALLS = {
    "set": lambda key, value, seconds: client.set(key, base64.b64decode(value), ex=seconds),
    "get": client.get,
    "get_bytes": get_bytes,
    "ttl": client.ttl,
    "incr": client.incr,
    "delete": client.delete,
    "mset": client.mset,
    "mget": client.mget,
    "scan": lambda pattern: list(client.scan_iter(match=pattern, count=100)),
    "pipeline": pipeline,
    "call": call,
}

for line in sys.stdin:
    name, *args = json.loads(line)
    try:
        answer = {"answer": text(CALLS[name](*args))}
    except redis.RedisError as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
