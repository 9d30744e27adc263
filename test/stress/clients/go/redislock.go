// bsm/redislock: obtain, refuse, refresh, release.
package main

import (
	"context"
	"os"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"
)

func main() {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + os.Getenv("PORT")})
	check(client.FlushAll(ctx).Err())
	locker := redislock.New(client)
	lock, err := locker.Obtain(ctx, "lock", time.Minute, nil)
	check(err)
	_, err = locker.Obtain(ctx, "lock", time.Minute, nil)
	expect(err == redislock.ErrNotObtained, "the lock is taken")
	check(lock.Refresh(ctx, 2*time.Minute, nil))
	ttl, err := lock.TTL(ctx)
	check(err)
	expect(ttl > time.Minute, "the lock has been extended")
	check(lock.Release(ctx))
	expect(lock.Release(ctx) == redislock.ErrLockNotHeld, "released once")
}
