# Rails's RedisCacheStore: fetch with a race window, many keys, increments, patterns, clear.
require "logger"
require "active_support"
require "active_support/cache"
require "active_support/cache/redis_cache_store"
require "active_support/notifications"

def check(condition, text) = condition || abort("not so: #{text}")

store = ActiveSupport::Cache::RedisCacheStore.new(
  url: "redis://127.0.0.1:#{ENV.fetch("PORT")}/1",
  namespace: "app",
  expires_in: 100,
  error_handler: ->(method:, returning:, exception:) { abort "#{method}: #{exception.message}" },
)
store.clear
check store.fetch("k", race_condition_ttl: 5) { { a: 1 } } == { a: 1 }, "fetch makes"
check store.fetch("k") { 2 } == { a: 1 }, "fetch finds"
store.write_multi("a" => 1, "b" => "two")
check store.read_multi("a", "b", "c") == { "a" => 1, "b" => "two" }, "many keys"
check store.fetch_multi("b", "d") { |key| key.upcase } == { "b" => "two", "d" => "D" }, "fetch_multi"
check store.increment("n", 5) == 5 && store.decrement("n") == 4, "increments"
check store.write("once", 1, unless_exist: true) && !store.write("once", 2, unless_exist: true), "unless_exist"
store.delete_matched("a*")
check store.read("a").nil? && store.exist?("b"), "delete_matched"
check store.delete_multi(%w[b d]) == 2, "delete_multi"
store.clear
check store.read("k").nil?, "clear"
