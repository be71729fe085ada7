// Node's own HTTP server, which writes no log.
const fs = require("fs");
const body = "x".repeat(57) + "\n";
const answer = (request, response) => {
  response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": 58 });
  response.end(body);
};
const [port, certificate, key] = process.argv.slice(2);
const server = certificate
  ? require("https").createServer(
      { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) }, answer)
  : require("http").createServer(answer);
// Node closes idle connections after 5 s, and connections after so many requests: not here.
server.keepAliveTimeout = 60000;
server.listen(Number(port), "127.0.0.1");
