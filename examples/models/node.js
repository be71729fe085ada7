// One thread; Node's event loop calls a function for each request, and for each timer.
//
// node examples/models/node.js 8001 3
const http = require("http");

const body = "Five clients at once: they wait in turn, or all together.\n";
const [port, delay] = process.argv.slice(2).map(Number);

const server = http.createServer((request, response) => {
  response.writeHead(200, { "Content-Length": body.length });
  response.flushHeaders();
  setTimeout(() => response.end(body), delay * 1000);
});
server.listen(port, "127.0.0.1", 4096);
