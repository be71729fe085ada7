<?php
// The xmlrpc extension (php-xmlrpc). Usage: client.php URL; prints one line a finding.
error_reporting(E_ALL & ~E_DEPRECATED);
const SAID = ['encoding' => 'utf-8', 'escaping' => 'markup'];

function post(string $body, string $coding = ''): mixed {
    $head = "Content-Type: text/xml\r\n" . ($coding ? "Content-Encoding: $coding\r\n" : '');
    $with = ['method' => 'POST', 'header' => $head, 'content' => $body];
    $text = file_get_contents($GLOBALS['argv'][1], false, stream_context_create(['http' => $with]));
    return xmlrpc_decode($text, 'utf-8');
}
function call(string $method, ...$values): mixed {
    $got = post(xmlrpc_encode_request($method, $values, SAID));
    return is_array($got) && xmlrpc_is_fault($got) ? 'fault ' . $got['faultCode'] : $got;
}
function typed(string $value, string $type): mixed {
    xmlrpc_set_type($value, $type);
    return $value;
}
$struct = ['moe' => 1, 'larry' => 2, 'curly' => 3];
echo 'add ', call('add', 2, 3), "\n";
echo 'pow ', call('pow', 2, 30), "\n";
echo 'listed ', in_array('system.multicall', call('system.listMethods')) ? 'yes' : 'no', "\n";
echo 'signature ', implode(' ', call('system.methodSignature', 'add')[0]), "\n";
echo 'fault ', call('nope'), "\n";
$calls = [['methodName' => 'add', 'params' => [1, 2]], ['methodName' => 'nope', 'params' => []]];
$many = call('system.multicall', $calls);
echo 'multicall ', $many[0][0], ' ', $many[1]['faultCode'], "\n";
echo 'unicode ', call('lab.echo', 'hé<&>'), "\n";
echo 'base64 ', bin2hex(call('lab.echo', typed("\x00\xff", 'base64'))->scalar), "\n";
echo 'date ', call('lab.echo', typed('20261122T14:08:55', 'datetime'))->scalar, "\n";
echo 'struct ', call('validator1.easyStructTest', $struct), "\n";
$long = xmlrpc_encode_request('lab.echo', [str_repeat('x', 5000)], SAID);
echo 'gzip ', strlen(post(gzencode($long), 'gzip')), "\n";
echo 'deflate ', strlen(post(gzcompress($long), 'deflate')), "\n";
