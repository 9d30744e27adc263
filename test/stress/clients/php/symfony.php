<?php
// Symfony's cache on predis: values, callbacks, clear. TAGS=1: the tag-aware adapter, which needs sets.
require 'Symfony/Component/Cache/autoload.php';
require 'Predis/autoload.php';
use Symfony\Component\Cache\Adapter\RedisAdapter;
use Symfony\Component\Cache\Adapter\RedisTagAwareAdapter;

final class Log extends Psr\Log\AbstractLogger
{
    public function log($level, $message, array $context = []): void
    {
        fwrite(STDERR, $message . ' ' . ($context['exception'] ?? '') . "\n");
        exit(1);
    }
}
$client = RedisAdapter::createConnection('redis://127.0.0.1:' . getenv('PORT'), ['class' => Predis\Client::class]);
$tags = (bool) getenv('TAGS');
$cache = $tags ? new RedisTagAwareAdapter($client, 'app') : new RedisAdapter($client, 'app');
$cache->setLogger(new Log());
assert($cache->clear());
$calls = 0;
$make = function ($item) use (&$calls, $tags) {
    $item->expiresAfter(100);
    if ($tags) {
        $item->tag('t');
    }
    return ++$calls;
};
assert($cache->get('k', $make) === 1 && $cache->get('k', $make) === 1);
if ($tags) {
    assert($cache->invalidateTags(['t']) && $cache->get('k', $make) === 2);
}
$cache->deleteItems(['k']);
assert(!$cache->hasItem('k'));
$cache->get('k', $make);
assert($cache->clear() && !$cache->hasItem('k'));
