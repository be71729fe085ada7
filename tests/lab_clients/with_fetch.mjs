// Node's fetch.
const url = process.argv[2];

async function wrong(path, milliseconds = 30000) {
  try {
    const response = await fetch(url + path, { signal: AbortSignal.timeout(milliseconds) });
    await response.text();
  } catch (error) {
    return error.name === "TimeoutError" ? error.name : error.cause?.code ?? error.message;
  }
  return "none";
}

const json = async (path, options) => (await fetch(url + path, options)).json();

const form = new FormData();
form.append("a", "1");
form.append("f", new Blob(["text"]), "x");
const both = await json("/post", { method: "POST", body: form });
const redirected = await fetch(url + "/redirect/3");
const faults = {};
for (const each of ["close", "reset", "truncate", "bad-length", "bad-chunk", "garbage"]) {
  faults[each] = await wrong("/fault/" + each);
}
const events = await (await fetch(url + "/sse?count=2&duration=100ms")).text();
console.log(JSON.stringify({
  get: (await json("/get?a=1")).args,
  post: (await json("/post", { method: "POST", body: '{"a": 1}' })).json,
  form: both.form,
  files: both.files,
  status: (await fetch(url + "/status/418")).status,
  redirected: new URL(redirected.url).pathname,
  gzip: (await json("/gzip")).gzipped,
  brotli: (await fetch(url + "/brotli")).status,
  stream: (await (await fetch(url + "/stream/3")).text()).trim().split("\n").length,
  events: events.split("\n\n").length,
  timeout: await wrong("/delay/5", 500),
  hang: await wrong("/fault/hang", 500),
  faults,
}));
