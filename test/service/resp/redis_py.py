# Reads calls as lines of JSON, runs them with redis-py, and writes each result as a line.

import base64
import json
import sys

import redis

client = redis.Redis(host="127.0.0.1", port=int(sys.argv[1]), db=int(sys.argv[2]))
subscriber = client.pubsub(ignore_subscribe_messages=True)


def to_json(reply):
    """Returns the reply with bytes as text."""
    if isinstance(reply, bytes):
        return reply.decode()
    if isinstance(reply, list):
        return [to_json(part) for part in reply]
    if reply is True:
        return "OK"
    if isinstance(reply, redis.RedisError):
        return str(reply)
    return reply


def call(*args):
    # Returns the reply as sent: redis-py would parse CLIENT INFO into a table.
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


def transaction(commands):
    batch = client.pipeline()
    for command in commands:
        batch.execute_command(*command)
    try:
        return batch.execute(raise_on_error=False)
    except redis.WatchError:
        return None


def subscribe(channel):
    subscriber.subscribe(channel)
    # The confirmation of the server, which is ignored.
    subscriber.get_message(timeout=60)


def next_message():
    message = None
    while message is None:
        message = subscriber.get_message(timeout=60)
    return message["data"]


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
    "transaction": transaction,
    "subscribe": subscribe,
    "next_message": next_message,
    "call": call,
}

for line in sys.stdin:
    name, *args = json.loads(line)
    try:
        result = {"reply": to_json(CALLS[name](*args))}
    except redis.RedisError as error:
        result = {"error": str(error)}
    print(json.dumps(result), flush=True)
