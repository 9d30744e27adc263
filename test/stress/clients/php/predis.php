<?php
// predis: transactions with check-and-set, pipelines, scripts, databases, pub/sub.
require 'Predis/autoload.php';
$parameters = ['port' => (int) getenv('PORT')];
$client = new Predis\Client($parameters);
$client->flushall();
$replies = $client->transaction(function ($tx) {
    $tx->set('n', 1);
    $tx->incr('n');
});
assert($replies[1] === 2);
$other = new Predis\Client($parameters);
try {
    $client->transaction(['watch' => 'n', 'cas' => true, 'retry' => 0], function ($tx) use ($other) {
        $tx->get('n');
        $other->set('n', 10);
        $tx->multi();
        $tx->incr('n');
    });
    assert(false);
} catch (Predis\Transaction\AbortedMultiExecException) {
    assert($client->get('n') === '10');
}
$replies = $client->pipeline(function ($pipe) {
    $pipe->set('a', 1);
    $pipe->get('a');
});
assert($replies[1] === '1');
assert($client->eval("return redis.call('GET', KEYS[1])", 1, 'n') === '10');
$second = new Predis\Client($parameters + ['database' => 1]);
assert($second->get('n') === null);
$subscriber = new Predis\Client($parameters + ['read_write_timeout' => 10]);
$loop = $subscriber->pubSubLoop(['subscribe' => 'news']);
foreach ($loop as $message) {
    if ($message->kind === 'subscribe') {
        $client->publish('news', 'hello');
    } elseif ($message->kind === 'message') {
        assert($message->payload === 'hello');
        $loop->stop(true);
        break;
    }
}
