// rueidis with its default options: it tracks keys and caches them in the client.
package main

import (
	"context"
	"os"
	"time"

	"github.com/redis/rueidis"
)

func main() {
	ctx := context.Background()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:" + os.Getenv("PORT")}})
	check(err)
	defer client.Close()
	check(client.Do(ctx, client.B().Flushall().Build()).Error())
	check(client.Do(ctx, client.B().Set().Key("k").Value("1").Build()).Error())
	read := func() (string, bool) {
		reply := client.DoCache(ctx, client.B().Get().Key("k").Cache(), time.Minute)
		text, err := reply.ToString()
		check(err)
		return text, reply.IsCacheHit()
	}
	text, _ := read()
	expect(text == "1", "the value")
	_, hit := read()
	expect(hit, "the second read comes from the client's cache")
	other, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{"127.0.0.1:" + os.Getenv("PORT")}, DisableCache: true})
	check(err)
	defer other.Close()
	check(other.Do(ctx, other.B().Set().Key("k").Value("2").Build()).Error())
	for range 1000 {
		if text, _ = read(); text == "2" {
			break
		}
		time.Sleep(time.Millisecond)
	}
	expect(text == "2", "the change has arrived")
	script := rueidis.NewLuaScript("return redis.call('GET', KEYS[1])")
	text, err = script.Exec(ctx, client, []string{"k"}, nil).ToString()
	check(err)
	expect(text == "2", "the reply of the script")
}
