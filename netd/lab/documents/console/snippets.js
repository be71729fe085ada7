// A request as commands of its clients; pure.  A request has method, url, headers and body.
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const literal = (text) => JSON.stringify(text);
const object = (headers) => `{${headers.map((each) => each.map(literal).join(": ")).join(", ")}}`;
const bodyless = (method) => method === "GET" || method === "HEAD";

function curl({ method, url, headers, body }) {
  const parts = ["curl -i"];
  if (method === "HEAD") parts[0] = "curl --head";
  else if (method !== (body === null ? "GET" : "POST")) parts.push(`-X ${method}`);
  for (const [name, value] of headers) parts.push(`-H ${quoted(value === "" ? `${name};` : `${name}: ${value}`)}`);
  // --data-raw, as --data would read a file for a body that begins with @.
  if (body !== null) parts.push(`--data-raw ${quoted(body)}`);
  return [...parts, quoted(url)].join(parts.length > 2 ? " \\\n  " : " ");
}

function python(module, { method, url, headers, body }) {
  const known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].includes(method);
  const simple = known && !(module === "httpx" && body !== null && !["POST", "PUT", "PATCH"].includes(method));
  const call = simple ? `${module}.${method.toLowerCase()}` : `${module}.request`;
  const lines = simple ? [literal(url)] : [literal(method), literal(url)];
  if (headers.length) lines.push(`headers=${object(headers)}`);
  if (body !== null) lines.push(`${module === "httpx" ? "content" : "data"}=${literal(body)}.encode()`);
  lines.push("timeout=90");
  const text = lines.length > 2 ? `\n    ${lines.join(",\n    ")},\n` : lines.join(", ");
  return `import ${module}\n\nresponse = ${call}(${text})\nprint(response.status_code, response.text)`;
}

function fetched({ method, url, headers, body }) {
  const lines = [];
  if (method !== "GET") lines.push(`  method: ${literal(method)},`);
  if (headers.length) lines.push(`  headers: ${object(headers)},`);
  if (body !== null) lines.push(`  body: ${literal(body)},`);
  const more = lines.length ? `, {\n${lines.join("\n")}\n}` : "";
  return `const response = await fetch(${literal(url)}${more});\nconsole.log(response.status, await response.text());`;
}

function httpie({ method, url, headers, body }) {
  const parts = ["http"];
  // Without a terminal HTTPie takes its standard input for a body.
  if (body === null) parts.push("--ignore-stdin");
  // With = a body may begin with a hyphen.
  else parts.push(`--raw=${quoted(body)}`);
  parts.push(`${method} ${quoted(url)}`);
  if (headers.some(([name]) => name.startsWith("-"))) parts.push("--");
  // := and :@ are not what follows a header's name.
  for (const [name, value] of headers) parts.push(quoted(value === "" ? `${name};` : `${name}:${value.replace(/^[=@]/, "\\$&")}`));
  return parts.join(parts.length > 3 ? " \\\n  " : " ");
}

const SNIPPETS = [
  ["curl", curl],
  ["requests", (request) => python("requests", request)],
  ["httpx", (request) => python("httpx", request)],
  ["fetch", fetched],
  ["HTTPie", httpie],
];

// A command as nodes: what is quoted, and the word it begins with, have their colours.
function highlighted(text) {
  const parts = text.split(/('(?:[^'\\]|\\.|\\\n)*'|"(?:[^"\\]|\\.)*")/);
  return parts.map((part, index) => {
    if (index % 2) return h("span.string", {}, part);
    const word = index ? null : /^(curl|http|import|const)\b/.exec(part);
    return word ? [h("span.word", {}, word[0]), part.slice(word[0].length)] : part;
  }).flat();
}

function drawSnippets() {
  const code = h("code", { id: "snippet" });
  const view = tabs("Command", SNIPPETS.map(([name]) => name), (panel, index) => {
    code.replaceChildren(...highlighted(SNIPPETS[index][1](request())));
    if (!panel.contains(code)) panel.append(h("pre", {}, code));
  }, copierOf(code));
  $("snippets").replaceChildren(view.head, view.panel);
  return view;
}
