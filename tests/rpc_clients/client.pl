# RPC::XML (librpc-xml-perl). Usage: client.pl URL; prints one line a finding.
use strict;
use warnings;
use RPC::XML;
use RPC::XML::Client;
use MIME::Base64;
binmode(STDOUT, ':raw');

$RPC::XML::ENCODING  = 'utf-8';
$RPC::XML::ALLOW_NIL = 1;
my $server = RPC::XML::Client->new($ARGV[0]);

sub call {
    my $answer = $server->send_request(@_);
    die "no answer: $answer" unless ref $answer;
    return $answer->is_fault ? 'fault ' . $answer->code : $answer->value;
}

print 'add ', call('add', 2, 3), "\n";
print 'pow ', call('pow', RPC::XML::int->new(2), RPC::XML::int->new(62)), "\n";
print 'i8 ', call('add', RPC::XML::i8->new('4294967296'), 1), "\n";
print 'listed ', (grep { $_ eq 'system.multicall' } @{call('system.listMethods')}) ? 'yes' : 'no', "\n";
print 'signature ', join(' ', @{call('system.methodSignature', 'add')->[0]}), "\n";
print 'fault ', call('nope'), "\n";
my $many = call('system.multicall', [
    {methodName => 'add', params => [1, 2]}, {methodName => 'nope', params => []},
]);
print 'multicall ', $many->[0][0], ' ', $many->[1]{faultCode}, "\n";
print 'unicode ', call('lab.echo', RPC::XML::string->new("h\xc3\xa9<&>")), "\n";
print 'base64 ', unpack('H*', call('lab.echo', RPC::XML::base64->new("\x00\xff"))), "\n";
print 'date ', call('lab.echo', RPC::XML::datetime_iso8601->new('20261122T14:08:55')), "\n";
print 'nil ', defined(call('lab.echo', RPC::XML::nil->new())) ? 'no' : 'yes', "\n";
print 'struct ', call('validator1.easyStructTest', {moe => 1, larry => 2, curly => 3}), "\n";

# A body above this is sent gzipped.
$server->compress_requests(1);
$server->compress_thresh(10);
print 'gzip ', length(call('lab.echo', RPC::XML::string->new('x' x 5000))), "\n";
