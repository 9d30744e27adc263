<?php
// Laravel's cache on predis, with its default databases: putMany, add, increment, locks. TAGS=1: tags.
require 'Illuminate/Cache/autoload.php';
require 'Illuminate/Redis/autoload.php';
require 'Predis/autoload.php';
$server = ['host' => '127.0.0.1', 'port' => (int) getenv('PORT')];
$redis = new Illuminate\Redis\RedisManager(null, 'predis', [
    'default' => $server + ['database' => 0],
    'cache' => $server + ['database' => 1],
]);
$store = new Illuminate\Cache\RedisStore($redis, 'laravel:', 'cache');
$cache = new Illuminate\Cache\Repository($store);
$cache->clear();
if (getenv('TAGS')) {
    $cache->tags(['people'])->put('ann', 1, 100);
    assert($cache->tags(['people'])->get('ann') == 1);
    $cache->tags(['people'])->flush();
    assert($cache->tags(['people'])->get('ann') === null);
    exit(0);
}
$cache->put('k', ['a' => 1], 100);
assert($cache->get('k') === ['a' => 1]);
$cache->putMany(['x' => 'one', 'y' => 'two'], 100);
assert($cache->many(['x', 'y', 'z']) === ['x' => 'one', 'y' => 'two', 'z' => null]);
assert($cache->add('new', 'v', 100) === true && $cache->add('new', 'w', 100) === false);
assert((int) $cache->increment('n', 5) === 5 && (int) $cache->decrement('n') === 4);
assert($cache->remember('made', 100, fn () => 7) == 7);
assert($cache->pull('x') === 'one' && $cache->get('x') === null);
$lock = $store->lock('job', 60);
assert($lock->get() && !$store->lock('job', 60)->get());
assert($lock->release() && $store->lock('job', 60)->get());
assert($store->restoreLock('job', 'nobody')->release() === false);
$store->lock('job')->forceRelease();
$cache->forever('always', 1);
assert($cache->forget('always') && $cache->flush());
