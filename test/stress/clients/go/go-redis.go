// go-redis: TxPipelined, Watch, scripts, pub/sub, databases.
package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

func main() {
	ctx := context.Background()
	address := "127.0.0.1:" + os.Getenv("PORT")
	for _, protocol := range []int{2, 3} {
		client := redis.NewClient(&redis.Options{Addr: address, Protocol: protocol})
		check(client.FlushAll(ctx).Err())
		var n *redis.IntCmd
		_, err := client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Set(ctx, "n", 1, time.Minute)
			n = pipe.Incr(ctx, "n")
			return nil
		})
		check(err)
		expect(n.Val() == 2, "INCR in a transaction")

		err = client.Watch(ctx, func(tx *redis.Tx) error {
			check(client.Set(ctx, "n", 10, 0).Err())
			_, err := tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
				pipe.Incr(ctx, "n")
				return nil
			})
			return err
		}, "n")
		expect(errors.Is(err, redis.TxFailedErr), "a watched key has changed")
		expect(client.Get(ctx, "n").Val() == "10", "the transaction has not run")

		script := redis.NewScript("return redis.call('INCRBY', KEYS[1], ARGV[1])")
		sum, err := script.Run(ctx, client, []string{"n"}, 5).Int()
		check(err)
		expect(sum == 15, "the reply of the script")

		subscription := client.Subscribe(ctx, "news")
		_, err = subscription.Receive(ctx)
		check(err)
		check(client.Publish(ctx, "news", "hello").Err())
		message, err := subscription.ReceiveMessage(ctx)
		check(err)
		expect(message.Payload == "hello", "the message")
		check(subscription.Close())

		second := redis.NewClient(&redis.Options{Addr: address, Protocol: protocol, DB: 1})
		expect(second.Get(ctx, "n").Err() == redis.Nil, "database 1 is empty")
		check(second.Close())
		check(client.Close())
	}
}
