// The set-ups of libraries that are tried against the service: the rows of docs/clients.md.

export type Language = "node" | "bun" | "python" | "go" | "php" | "ruby";

export interface Setup {
  /** The first column of docs/clients.md. */
  readonly title: string;
  readonly language: Language;
  /** Packages of the language's registry, or of Debian for PHP and Ruby. The versions of the first two are printed. */
  readonly packages: readonly string[];
  /** A file in the folder of the language. */
  readonly script: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Why it cannot work, and the text of the service that the user must see. */
  readonly refused?: { readonly why: string; readonly error: RegExp };
  /** There is no redis-server to compare with. */
  readonly hasNoControl?: true;
}

const LARAVEL = ["php-illuminate-cache", "php-illuminate-redis", "php-predis"];
const SYMFONY = ["php-predis", "php-symfony-cache"];
const KEYV = ["keyv", "@keyv/redis"];

export const SETUPS: readonly Setup[] = [
  // JavaScript
  js("ioredis: multi, watch, scripts, pub/sub, databases", ["ioredis"], "ioredis.mjs"),
  js("node-redis: multi, watch, scripts, pub/sub, databases", ["redis"], "node-redis.mjs"),
  js("node-redis: client-side cache", ["redis"], "node-redis-client-side-cache.mjs"),
  {
    ...js("iovalkey: multi, watch, scripts, pub/sub, databases", ["iovalkey"], "ioredis.mjs"),
    env: { LIBRARY: "iovalkey" },
  },
  {
    ...js("Bun's RedisClient: MULTI, EVAL, pub/sub, databases", [], "bun-redis.mjs"),
    language: "bun",
  },
  js("Keyv: setMany, deleteMany", KEYV, "keyv.mjs"),
  js("cache-manager", ["cache-manager", "keyv@5", "@keyv/redis"], "cache-manager.mjs"),
  js("cacheable", ["cacheable", "@keyv/redis"], "cacheable.mjs"),
  js("BentoCache: second layer, tags, bus", ["bentocache", "ioredis@5"], "bentocache.mjs"),
  js(
    "connect-redis + express-session",
    ["connect-redis", "express-session", "express", "redis"],
    "connect-redis.mjs",
  ),
  js(
    "rate-limiter-flexible",
    ["rate-limiter-flexible", "ioredis", "redis"],
    "rate-limiter-flexible.mjs",
  ),
  js(
    "rate-limit-redis + express-rate-limit",
    ["rate-limit-redis", "express-rate-limit", "express", "redis"],
    "express-rate-limit.mjs",
  ),
  js(
    "@fastify/rate-limit",
    ["@fastify/rate-limit", "fastify", "ioredis"],
    "fastify-rate-limit.mjs",
  ),
  js("redlock", ["redlock", "ioredis"], "redlock.mjs"),
  {
    ...js("@upstash/redis over HTTP", ["@upstash/redis"], "upstash.mjs"),
    hasNoControl: true,
  },
  {
    ...js("BullMQ", ["bullmq", "ioredis@5"], "bullmq.mjs"),
    refused: needs("lists, hashes, sorted sets and streams"),
  },
  {
    ...js(
      "Next.js cache handler redis-strings",
      ["@fortedigital/nextjs-cache-handler", "next", "react", "react-dom", "redis"],
      "nextjs-redis-strings.mjs",
    ),
    refused: needs("hashes"),
  },
  // Python
  py("redis-py: pipeline, transaction, Lock, scripts, pub/sub", ["redis"], "redis_py.py"),
  {
    ...py("redis-py: client-side cache", ["redis"], "redis_py_client_side_cache.py"),
    hasNoControl: true,
  },
  py("valkey-py: pipeline, Lock", ["valkey"], "valkey_py.py"),
  py("Django: cache and sessions, set_many", ["django", "redis"], "django_cache.py"),
  py("django-redis with /1: set_many, lock", ["django-redis", "django"], "django_redis_cache.py"),
  py("Flask-Caching", ["flask-caching", "flask", "redis"], "flask_caching.py"),
  py("aiocache: multi_set, RedLock", ["aiocache", "redis"], "aiocache_redis.py"),
  py("limits: fixed window, moving window of strings", ["limits", "redis"], "limits_all.py"),
  py("Flask-Limiter", ["flask-limiter", "limits", "redis"], "flask_limiter_app.py"),
  py("slowapi", ["slowapi", "starlette", "redis", "httpx"], "slowapi_app.py"),
  {
    ...py("limits: moving window", ["limits", "redis"], "limits_all.py"),
    env: { STRATEGIES: "MovingWindowRateLimiter" },
    refused: needs("lists"),
  },
  py("dogpile.cache with its distributed lock", ["dogpile.cache", "redis"], "dogpile_cache.py"),
  py("Celery: results", ["celery", "redis", "pytest"], "celery_results.py"),
  {
    ...py("RQ", ["rq", "redis"], "rq_queue.py"),
    refused: needs("lists, sets and hashes"),
  },
  // Go
  go(
    "go-redis: TxPipelined, Watch, scripts, pub/sub",
    ["github.com/redis/go-redis/v9"],
    "go-redis",
  ),
  go(
    "go-redis/cache",
    ["github.com/go-redis/cache/v9", "github.com/redis/go-redis/v9"],
    "go-redis-cache",
  ),
  go(
    "redis_rate",
    ["github.com/go-redis/redis_rate/v10", "github.com/redis/go-redis/v9"],
    "redis-rate",
  ),
  go("bsm/redislock", ["github.com/bsm/redislock", "github.com/redis/go-redis/v9"], "redislock"),
  go("rueidis with its defaults: client-side cache", ["github.com/redis/rueidis"], "rueidis"),
  // PHP
  php("phpredis: multi, watch, scripts", ["php-redis"], "phpredis.php"),
  php("predis: transaction, pipeline, pub/sub", ["php-predis"], "predis.php"),
  php("Laravel: cache with putMany, add, locks", LARAVEL, "laravel.php"),
  php("Symfony: RedisAdapter", SYMFONY, "symfony.php"),
  {
    ...php("Laravel: tags", LARAVEL, "laravel.php"),
    env: { TAGS: "1" },
    refused: needs("sets, in newer versions sorted sets"),
  },
  {
    ...php("Symfony: RedisTagAwareAdapter", SYMFONY, "symfony.php"),
    env: { TAGS: "1" },
    refused: {
      why: "needs sets, and a server that evicts no tags",
      error: /is \*not\* supported by RedisTagAwareAdapter/,
    },
  },
  // Ruby
  ruby("redis-rb: multi, watch, scripts, pub/sub", ["ruby-redis"], "redis_rb.rb"),
  ruby("Rails: RedisCacheStore", ["ruby-activesupport", "ruby-redis"], "rails_cache.rb"),
];

/** The service has no values of these types; its error says so. */
function needs(types: string): Required<Setup>["refused"] {
  return {
    why: `needs ${types}`,
    error: /there are no [\w ]+: all values are strings/,
  };
}

function js(title: string, packages: readonly string[], script: string): Setup {
  return { title, language: "node", packages, script };
}

function py(title: string, packages: readonly string[], script: string): Setup {
  return { title, language: "python", packages, script };
}

function go(title: string, packages: readonly string[], name: string): Setup {
  return { title, language: "go", packages, script: `${name}.go` };
}

function php(title: string, packages: readonly string[], script: string): Setup {
  return { title, language: "php", packages, script };
}

function ruby(title: string, packages: readonly string[], script: string): Setup {
  return { title, language: "ruby", packages, script };
}
