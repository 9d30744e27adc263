// redis_rate: the third request of a client is refused.
package main

import (
	"context"
	"os"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
)

func main() {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + os.Getenv("PORT")})
	check(client.FlushAll(ctx).Err())
	limiter := redis_rate.NewLimiter(client)
	limit := redis_rate.PerHour(2)
	for _, allowed := range []int{1, 1, 0} {
		result, err := limiter.Allow(ctx, "user", limit)
		check(err)
		expect(result.Allowed == allowed, "allowed")
	}
	check(limiter.Reset(ctx, "user"))
	result, err := limiter.AllowAtMost(ctx, "user", limit, 10)
	check(err)
	expect(result.Allowed == 2, "at most two")
}
