# xmlrpc (ruby-xmlrpc). Usage: client.rb URL; prints one line a finding.
require "xmlrpc/client"
require "zlib"
require "net/http"

XMLRPC::Config.module_eval do
  remove_const(:ENABLE_NIL_CREATE)
  const_set(:ENABLE_NIL_CREATE, true)
  remove_const(:ENABLE_NIL_PARSER)
  const_set(:ENABLE_NIL_PARSER, true)
end
server = XMLRPC::Client.new2(ARGV[0])
code = lambda do |*call|
  server.call(*call)
  "none"
rescue XMLRPC::FaultException => wrong
  wrong.faultCode
end

puts "add #{server.call('add', 2, 3)}"
puts "pow #{server.call('pow', 2, 62)}"
puts "listed #{server.call('system.listMethods').include?('system.multicall') ? 'yes' : 'no'}"
puts "signature #{server.call('system.methodSignature', 'add')[0].join(' ')}"
puts "fault fault #{code.call('nope')}"
good, bad = server.multicall(["add", 1, 2], ["nope"])
puts "multicall #{good} #{bad.faultCode}"
puts "unicode #{server.call('lab.echo', "h\u00e9<&>")}"
binary = server.call("lab.echo", XMLRPC::Base64.new("\x00\xff".b))
puts "base64 #{binary.unpack1('H*')}"
date = server.call("lab.echo", XMLRPC::DateTime.new(2026, 11, 22, 14, 8, 55))
puts "date #{date.to_time.strftime('%Y%m%dT%H:%M:%S')}"
puts "nil #{server.call('lab.echo', nil).nil? ? 'yes' : 'no'}"
struct = { "moe" => 1, "larry" => 2, "curly" => 3 }
puts "struct #{server.call('validator1.easyStructTest', struct)}"

# The client cannot compress, so the body goes by hand.
text = XMLRPC::Create.new.methodCall("lab.echo", "x" * 5000)
head = { "Content-Type" => "text/xml", "Content-Encoding" => "gzip" }
said = Net::HTTP.post(URI(ARGV[0]), Zlib.gzip(text), head).body
puts "gzip #{XMLRPC::XMLParser::REXMLStreamParser.new.parseMethodResponse(said)[1].length}"
