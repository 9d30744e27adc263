<?php
// phpredis: MULTI, WATCH, scripts, databases, pipelines.
$redis = new Redis();
$redis->connect('127.0.0.1', (int) getenv('PORT'));
$redis->flushAll();
assert($redis->multi()->set('n', 1)->incr('n')->get('n')->exec() === [true, 2, '2']);
$other = new Redis();
$other->connect('127.0.0.1', (int) getenv('PORT'));
$redis->watch('n');
$other->set('n', 10);
assert($redis->multi()->incr('n')->exec() === false);
assert($redis->pipeline()->set('a', 1)->get('a')->exec() === [true, '1']);
assert($redis->eval("return redis.call('GET', KEYS[1])", ['n'], 1) === '10');
$sha = $redis->script('load', 'return ARGV[1]');
assert($redis->evalSha($sha, ['x'], 0) === 'x');
assert($redis->select(1) && $redis->get('n') === false && $redis->select(0));
assert($redis->mset(['x' => 1, 'y' => 2]) && $redis->mget(['x', 'z']) === ['1', false]);
assert($redis->set('lock', 'me', ['nx', 'ex' => 10]) && !$redis->set('lock', 'me', ['nx', 'ex' => 10]));
