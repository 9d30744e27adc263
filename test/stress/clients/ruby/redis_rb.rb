# redis-rb: MULTI, WATCH, scripts, pub/sub, databases.
require "redis"

def check(condition, text) = condition || abort("not so: #{text}")

port = ENV.fetch("PORT").to_i
redis = Redis.new(port: port)
other = Redis.new(port: port)
redis.flushall
check redis.multi { |tx| tx.set("n", 1); tx.incr("n"); tx.get("n") } == ["OK", 2, "2"], "a transaction"
result = redis.watch("n") do |client|
  other.set("n", 10)
  client.multi { |tx| tx.incr("n") }
end
check result.nil? && redis.get("n") == "10", "a watched key has changed"
check redis.eval("return redis.call('GET', KEYS[1])", ["n"]) == "10", "a script"
check redis.evalsha(redis.script(:load, "return ARGV[1]"), [], ["x"]) == "x", "a loaded script"
received = nil
other.subscribe("news") do |on|
  on.subscribe { redis.publish("news", "hello") }
  on.message { |_, text| received = text; other.unsubscribe }
end
check received == "hello", "a message"
check Redis.new(port: port, db: 1).get("n").nil?, "database 1 is empty"
