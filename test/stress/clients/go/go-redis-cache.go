// go-redis/cache: Set, Get, Once, Delete, with a local cache in front.
package main

import (
	"context"
	"os"
	"time"

	"github.com/go-redis/cache/v9"
	"github.com/redis/go-redis/v9"
)

type object struct {
	Text   string
	Number int
}

func main() {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + os.Getenv("PORT")})
	check(client.FlushAll(ctx).Err())
	store := cache.New(&cache.Options{Redis: client, LocalCache: cache.NewTinyLFU(1000, time.Minute)})
	check(store.Set(&cache.Item{Ctx: ctx, Key: "k", Value: &object{"a", 1}, TTL: time.Hour}))
	var found object
	check(store.GetSkippingLocalCache(ctx, "k", &found))
	expect(found == object{"a", 1}, "the value")
	calls := 0
	for range 2 {
		check(store.Once(&cache.Item{Key: "once", Value: &found, Do: func(*cache.Item) (any, error) {
			calls++
			return &object{"made", 2}, nil
		}}))
	}
	expect(calls == 1 && found.Text == "made", "made once")
	expect(store.Exists(ctx, "k"), "the key exists")
	check(store.Delete(ctx, "k"))
	expect(store.Get(ctx, "k", &found) == cache.ErrCacheMiss, "a miss")
	check(store.Set(&cache.Item{Ctx: ctx, Key: "k", Value: &found, SetNX: true}))
}
