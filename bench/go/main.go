// The two routes of the HTTP API in Go, on net/http or on fasthttp: what the same service costs
// without Bun. A map of each shard behind a lock, and nothing else: no limit, no expiry, no eviction.
//
// usage: go run . PORT SERVER, where SERVER is "net/http" or "fasthttp".
package main

import (
	"encoding/json"
	"hash/maphash"
	"log"
	"net/http"
	"os"
	"sync"

	"github.com/valyala/fasthttp"
)

const shardCount = 64

type shard struct {
	sync.RWMutex
	values map[string]string
}

type cache struct {
	seed   maphash.Seed
	shards [shardCount]shard
}

func newCache() *cache {
	c := &cache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].values = map[string]string{}
	}
	return c
}

func (c *cache) shardOf(key string) *shard {
	return &c.shards[maphash.String(c.seed, key)%shardCount]
}

// get returns the status and the body of GET /get.
func (c *cache) get(key string) (int, []byte) {
	s := c.shardOf(key)
	s.RLock()
	value, found := s.values[key]
	s.RUnlock()
	if !found {
		return http.StatusNotFound, []byte(`{"status":"ERROR","message":"Key not found."}`)
	}
	body, _ := json.Marshal(struct {
		Status string `json:"status"`
		Key    string `json:"key"`
		Value  string `json:"value"`
	}{"OK", key, value})
	return http.StatusOK, body
}

type entry struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// put returns the status and the body of POST /put.
func (c *cache) put(e entry, err error) (int, []byte) {
	if err != nil || e.Key == "" {
		return http.StatusBadRequest, []byte(`{"status":"ERROR","message":"a key and a value are required"}`)
	}
	s := c.shardOf(e.Key)
	s.Lock()
	s.values[e.Key] = e.Value
	s.Unlock()
	return http.StatusOK, []byte(`{"status":"OK"}`)
}

func serveNetHTTP(c *cache, address string) error {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int, body []byte) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write(body)
	}
	mux.HandleFunc("GET /get", func(w http.ResponseWriter, r *http.Request) {
		status, body := c.get(r.URL.Query().Get("key"))
		answer(w, status, body)
	})
	mux.HandleFunc("POST /put", func(w http.ResponseWriter, r *http.Request) {
		var e entry
		err := json.NewDecoder(r.Body).Decode(&e)
		status, body := c.put(e, err)
		answer(w, status, body)
	})
	return http.ListenAndServe(address, mux)
}

func serveFastHTTP(c *cache, address string) error {
	answer := func(ctx *fasthttp.RequestCtx, status int, body []byte) {
		ctx.SetContentType("application/json")
		ctx.SetStatusCode(status)
		ctx.SetBody(body)
	}
	server := &fasthttp.Server{MaxRequestBodySize: 1 << 30, Handler: func(ctx *fasthttp.RequestCtx) {
		switch string(ctx.Path()) {
		case "/get":
			status, body := c.get(string(ctx.QueryArgs().Peek("key")))
			answer(ctx, status, body)
		case "/put":
			var e entry
			err := json.Unmarshal(ctx.PostBody(), &e)
			status, body := c.put(e, err)
			answer(ctx, status, body)
		default:
			answer(ctx, http.StatusNotFound, []byte(`{"status":"ERROR","message":"no such route"}`))
		}
	}}
	return server.ListenAndServe(address)
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: go run . PORT net/http|fasthttp")
	}
	serve := map[string]func(*cache, string) error{
		"net/http": serveNetHTTP,
		"fasthttp": serveFastHTTP,
	}[os.Args[2]]
	if serve == nil {
		log.Fatalf("unknown server %q: net/http or fasthttp", os.Args[2])
	}
	log.Fatal(serve(newCache(), "127.0.0.1:"+os.Args[1]))
}
