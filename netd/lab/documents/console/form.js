// The form: what is asked for (`state`), its request, and a field for each part of it.
const state = { route: null, method: "GET", path: {}, query: [], headers: [], body: null, byHeader: false };

const encoded = (text) => encodeURIComponent(text.toWellFormed?.() ?? text)
  .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  .replace(/%(3A|2C|2F|40|3B)/g, decodeURIComponent);
const parameter = (name) => (Object.hasOwn(state.route.parameters, name.toLowerCase()) ? state.route.parameters[name.toLowerCase()] : null);
const fieldLine = (name) => `X-Netd-${name.split("_").map((part) => part[0].toUpperCase() + part.slice(1)).join("-")}`;

// Whether a parameter goes into a header: one line each, and Latin-1 only.
function inHeader([name, value]) {
  const alone = state.query.filter(([other]) => other === name).length === 1;
  return state.byHeader && parameter(name) && alone && /^[!-~]([ -~]*[!-~])?$/.test(value);
}

// The parts of the target, each with its kind, so that they can have colours.
function targetParts() {
  const parts = segmentsOf(state.route.path).map((segment) => {
    const name = nameOf(segment);
    if (name === null) return ["path", `/${segment}`];
    const text = encoded(state.path[name] ?? "");
    return ["value", `/${segment.startsWith("<path:") ? text : text.replaceAll("/", "%2F")}`];
  });
  state.query.filter((pair) => !inHeader(pair)).forEach(([name, value], index) => {
    parts.push(["path", index ? "&" : "?"], ["key", encoded(name)], ["path", "="], ["value", encoded(value)]);
  });
  return parts;
}
const target = () => targetParts().map(([, text]) => text).join("");

// Fields of one name are one field (RFC 9110 5.3), as clients differ in what they do with two.
function headersSaid() {
  const said = new Map();
  const own = state.query.filter(inHeader).map(([name, value]) => [fieldLine(name), value]);
  for (const [name, value] of [...state.headers, ...own]) {
    if (!/^[!#$%&'*+.^_\x60|~0-9A-Za-z-]+$/.test(name)) continue;
    const key = name.toLowerCase(), clean = value.replace(/[^\t -~\u00a0-\u00ff]/g, "").trim();
    said.set(key, said.has(key) ? [name, `${said.get(key)[1]}, ${clean}`] : [name, clean]);
  }
  return [...said.values()];
}
function request() {
  const body = bodyless(state.method) ? null : state.body;
  return { method: state.method, url: location.origin + target(), headers: headersSaid(), body };
}

// Fill the form from `METHOD%20TARGET`, where TARGET is as it is sent; it sends nothing, and refuses other origins.
function load(text) {
  const [, method, rest] = /^([\w-]+)(?:%20| )(\/.*)$/.exec(text) ?? [];
  if (!rest || rest.length > 16384) return false;
  let url;
  try {
    url = new URL(rest, location.origin);
  } catch {
    return false;
  }
  const hit = url.origin === location.origin && routeOf(url.pathname);
  if (!hit) return false;
  Object.assign(state, { route: hit.route, method: method.toUpperCase(), path: hit.values, query: pairsOf(url.search.slice(1)), headers: [], body: null });
  for (const [name, facts] of Object.entries(hit.route.parameters))
    if (facts.required && !state.query.some(([each]) => each === name)) state.query.push([name, ""]);
  drawForm();
  changed();
  return true;
}

// A fieldset of its own for each name; × takes it out of the request.
function box(name, content, remove, note = "") {
  const parts = [h("legend", {}, name), content];
  if (note) parts.push(h("p.hint", {}, note));
  if (remove) parts.splice(1, 0, remover(name, () => redraw(remove)));
  return h("fieldset", { "data-name": name }, parts);
}
// Redraw, with the focus where the next thing to do is.
function redraw(change, focus = "#add button") {
  change?.();
  drawForm();
  changed();
  [...document.querySelectorAll(`#try ${focus}`)].at(-1)?.focus();
}

const limits = ({ least, most }) => [least !== undefined && `at least ${least}`, most < 1e9 && `at most ${most}`].filter(Boolean).join(", ");

// The control of a parameter, chosen by what the table says of it.
function control(name, facts, value, change) {
  const { kind, help: label = "in the path", choices = kind === "switch" ? ["yes", "no"] : null, minimum = 0, maximum = Infinity, most } = facts ?? {};
  if (kind === "delay") return delayControl(value, change);
  if (kind === "duration") return scaled(label, name, value, DURATIONS, change);
  if (name === "status" && kind === "text" || name === "codes") return statusControl(value, change);
  if (choices?.length < 5) return h("div.row", {}, h("span", {}, label), choice(label, choices, value, change));
  const tell = (event) => change(event.target.value);
  if (choices) return h("label.row", {}, h("span", {}, label), h("select", { ariaLabel: name, onchange: tell }, choices.map((each) => h("option", { selected: each === value }, each))));
  if (name === "body") return h("label.stack", {}, h("span", {}, label), h("textarea", { value, rows: 2, spellcheck: false, oninput: tell }));
  const numeric = kind === "integer" || kind === "number";
  const scale = { ends: kind === "number" && most && [0, most, most / 100], number: Number, text: String, right: (text) => !numeric || text === "" || (text >= minimum && text <= maximum) };
  return scaled(label, name, value, scale, change, { inputMode: numeric ? "decimal" : "text", size: numeric || kind === "size" ? 9 : 24 });
}

// A text field, and a slider where `scale` has ends for one.
const DURATIONS = { ends: [0, 100, 1], number: (text) => toSlider(seconds(text)), text: (number) => duration(fromSlider(number)), right: (text) => !Number.isNaN(seconds(text)) };
function scaled(label, name, value, { ends, number, text, right }, change, attributes = { size: 9 }) {
  const tell = () => { check(); change(input.value); };
  const input = entry({ value, ariaLabel: label, oninput: () => { if (range) range.value = number(input.value); tell(); }, ...attributes });
  const range = ends ? slider(`${name}, slider`, number(value), ends, (at) => { input.value = text(at); tell(); }) : null;
  const check = () => (input.ariaInvalid = !right(input.value));
  check();
  return h("label.row", {}, h("span", {}, label), range, input);
}

const PLACES = ["in the query", "in X-Netd- headers"];
function drawForm() {
  const { route } = state, used = state.query.map(([name]) => name.toLowerCase());
  $("about").textContent = `${route.help[0].toUpperCase()}${route.help.slice(1)}. ${route.methods[0] === "*" ? "Any method." : ""}`;
  const methods = route.methods[0] === "*" ? ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"] : [...route.methods, ...(route.methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"];
  if (!methods.includes(state.method)) methods.push(state.method);
  $("method").replaceChildren(...methods.map((name) => h("option", { selected: name === state.method }, name)));
  const boxes = Object.keys(state.path).map((name) =>
    box(name, control(name, route.parameters[name], state.path[name], (value) => { state.path[name] = value; changed(); }), null, limits(route.parameters[name] ?? {})));
  state.query.forEach((pair, index) => {
    const facts = parameter(pair[0]);
    if (!facts) return;
    const remove = facts.required ? null : () => state.query.splice(index, 1);
    boxes.push(box(pair[0], control(pair[0], facts, pair[1], (value) => { pair[1] = value; changed(); }), remove, limits(facts)));
  });
  boxes.push(...pairsBox("query fields", state.query.filter(([name]) => !parameter(name)), state.query), ...pairsBox("request header", state.headers));
  if (state.body !== null && !bodyless(state.method))
    boxes.push(box("request body", control("body", { help: "sent as it is" }, state.body, (value) => { state.body = value; changed(); }), () => (state.body = null)));
  $("fields").replaceChildren(...boxes);
  const free = Object.entries(route.parameters).filter(([name, facts]) => !(name in state.path) && (facts.repeats || !used.includes(name)));
  const add = (name, change, focus = name) => button(".chip", name, () => redraw(change, `[data-name="${focus}"] :is(input, textarea, select)`));
  const start = (facts) => String(facts.default ?? facts.choices?.[0] ?? { delay: "200ms", duration: "200ms", size: "1KiB", integer: "1", number: "1", switch: "yes" }[facts.kind] ?? "");
  $("add").replaceChildren(h("strong", {}, "Add"), ...free.map(([name, facts]) => add(name, () => state.query.push([name, start(facts)]))),
    add("query field", () => state.query.push(["name", "value"]), "query fields"), add("request header", () => state.headers.push(["X-Fruit", "apple"])),
    ...(bodyless(state.method) || state.body !== null ? [] : [add("request body", addBody)]),
    route.composable ? choice("Where the parameters stand", PLACES, PLACES[Number(state.byHeader)], (word) => { state.byHeader = word === PLACES[1]; changed(); }) : "");
  mark();
}
function addBody() {
  state.body = "hello";
  // Each client would say another Content-Type by itself.
  if (!state.headers.some(([name]) => name.toLowerCase() === "content-type")) state.headers.push(["Content-Type", "text/plain; charset=utf-8"]);
}
function pairsBox(name, pairs, all = pairs) {
  if (!pairs.length) return [];
  const rows = pairs.map((pair) => h("div.pair", {},
    [0, 1].map((at) => entry({ value: pair[at], ariaLabel: `${name}: ${at ? "value" : "name"}`, oninput: (event) => { pair[at] = event.target.value; changed(); } })),
    remover(pair[0], () => redraw(() => all.splice(all.indexOf(pair), 1)))));
  return [h("fieldset.pairs", { "data-name": name }, h("legend", {}, name), rows)];
}
