// The stream of the daemon: one for the page, and what it shows.  Other parts add what they want to hear
// to `wanted`, their function to `hears`, and call `rewatch()`.
const MOST_ROWS = 200, SILENT = 40000;
const wanted = { figures: true, bin: null, token: null };
const frames = new Frames(SPAN);
let bounds = [], plots = [];
const watching = { paused: false, held: false, over: false, attempt: 0, abort: null, timer: 0, dog: 0, drawn: 0 };
const hears = {
  bounds: (value) => (bounds = value),
  history: (value) => heardFrames(value),
  frame: (value) => heardFrames([value]),
  request: heardRequest,
};
const missedRequests = (count) => put($("requests-note"), `${count} more at ${clock(Date.now() / 1000)} were too many to show.`);

function rewatch() {
  Object.assign(watching, { attempt: 0, over: false });
  unwatch();
  watch();
}
function unwatch() {
  clearTimeout(watching.timer);
  clearTimeout(watching.dog);
  watching.abort?.abort();
  watching.abort = null;
}
async function watch() {
  const { figures, bin, token } = wanted;
  if (watching.abort || watching.paused || watching.held || watching.over || document.hidden || !(figures || bin || token)) return showState();
  const own = watching.abort = new AbortController();
  const asked = new URLSearchParams({ ...(figures && { figures: 1 }), ...(bin && { bin }), ...(token && { requests: 1 }) });
  const headers = { "X-Netd-Console": "1", ...(token && { Authorization: `Bearer ${token}` }) };
  showState("connecting");
  let after = null;
  try {
    const response = await fetch(`/console/stream?${asked}`, { headers, cache: "no-store", signal: own.signal });
    if (response.ok) await hear(response.body, own);
    else after = await refused(response);
  } catch {
    // The daemon is gone for a moment, or this page closed the stream.
  }
  if (watching.abort !== own) return;
  unwatch();
  if (watching.over) return showState();
  after ??= backOff(watching.attempt++);
  showState("waiting", `no connection, again in ${after} s`);
  watching.timer = setTimeout(watch, after * 1000);
}
async function hear(body, own) {
  const events = new Events(), decoder = new TextDecoder(), reader = body.getReader();
  hears.open();
  for (;;) {
    clearTimeout(watching.dog);
    watching.dog = setTimeout(() => own.abort(), SILENT);
    const { done, value } = await reader.read();
    if (done || watching.abort !== own) return;
    if (wanted.figures) put($("watch-note"), "The last 5 minutes, once a second");
    showState("live");
    watching.attempt = 0;
    for (const event of events.feed(decoder.decode(value, { stream: true })))
      for (const [name, content] of Object.entries(event)) hears[name]?.(content);
  }
}
// What the daemon says in place of a stream; the seconds until the next attempt, or none is made.
async function refused(response) {
  const { detail } = await response.json().catch(() => ({}));
  put($("watch-note"), detail ?? response.statusText);
  if (response.status === 503) return Number(response.headers.get("Retry-After")) || 10;
  if (wanted.token && [401, 403].includes(response.status)) {
    put($("requests-note"), detail);
    wanted.token = kept("token", "");
  } else if (wanted.figures && response.status === 404) {
    wanted.figures = !($("figures").hidden = $("plots").hidden = $("as-table").hidden = true);
  } else watching.over = true;
  watching.over ||= !(wanted.figures || wanted.bin || wanted.token);
  if (watching.over) put($("bin-count"), `Nothing shows here: ${detail}.`);
  return null;
}

function showState(kind = watching.paused ? "paused" : watching.over ? "off" : "idle", text = kind) {
  if ($("live").dataset.kind === kind && $("live-text").textContent === text) return;
  $("live").dataset.kind = kind;
  put($("live-text"), text);
  put($("pause"), watching.paused || watching.over ? "Resume" : "Pause");
}

function heardFrames(fresh) {
  frames.add(fresh);
  watching.drawn ||= requestAnimationFrame(drawWatch);
}
function drawWatch() {
  watching.drawn = 0;
  // All widths are read before anything is written, so that the page is laid out once.
  const widths = plots.map(({ figure }) => figure.clientWidth);
  plots.forEach((each, index) => each.redraw(frames.all, widths[index]));
  drawFigures();
  if (!$("figures-table").hidden) drawTable();
}

const clock = (at) => new Date(at * 1000).toTimeString().slice(0, 8);
const rate = (value) => (value < 9.95 ? String(Number(value.toFixed(1))) : Math.round(value).toLocaleString("fr"));
const bound = (seconds) => (seconds === null ? "–" : seconds === Infinity ? `> ${roughly(bounds.at(-1))}` : `≤ ${roughly(seconds)}`);
const mebi = (bytes) => `${Math.round(bytes / 1024 ** 2)} MiB`;
const each = (name, index) => (frame) => frame[name][index] / frame.span;
const every = (name) => (frame) => total(Object.values(frame[name])) / frame.span;
const summed = (some) => some.reduce((sums, { late }) => late.map((count, index) => count + (sums[index] ?? 0)), []);
const ROWS = 7;

function makePlots() {
  const rows = Array.from({ length: ROWS }, (_, index) => (index ? (frame) => frame.late[ROWS - 1 - index] : (frame) => total(frame.late.slice(ROWS - 1))));
  const heat = plot("How late delayed responses left", { height: 84, labels: ROWS, kinds: Array.from({ length: SHADES }, (_, shade) => `heat heat${shade}`), draw(view, width, x, all) {
    heatPaths(all, x, rows, view.height / ROWS).forEach((path, shade) => view.paths[shade].setAttribute("d", path));
    view.ticks.forEach((tick, index) => {
      put(tick, !bounds.length ? "" : index ? `${index === ROWS - 1 ? "≤ " : ""}${roughly(bounds[ROWS - 1 - index])}` : "more");
      tick.setAttribute("y", ((index + 0.5) * view.height) / ROWS + 3);
    });
    const late = summed(all);
    put(view.said, total(late) ? `p50 ${bound(quantile(late, bounds, 0.5))}, p99 ${bound(quantile(late, bounds, 0.99))}` : "no delayed response");
  } });
  const reasons = (all) => {
    const sums = {};
    for (const { refused } of all) for (const [reason, count] of Object.entries(refused)) sums[reason] = (sums[reason] ?? 0) + count;
    return Object.entries(sums).sort((a, b) => b[1] - a[1]).slice(0, 4).map(([reason, count]) => `${count} ${reason}`).join(", ");
  };
  plots = [
    series("Requests a second", ["2xx", "3xx", "4xx", "5xx"], ["heat c2", "c3", "c4", "c5"], [0, 1, 2, 3].map((index) => each("http", index)), rate, { stacked: true, height: 90, labels: 3, axis: true }),
    heat,
    series("In flight", ["waiting", "connections"], ["line v1", "line v2"], [({ waiting }) => waiting, ({ connections }) => connections], rate),
    series("UDP/s", ["in", "out", "dropped"], ["line v1", "line v2", "line v3"], [0, 1, 2].map((index) => each("udp", index)), rate),
    series("Refused/s", ["all"], ["line v3"], [every("refused")], rate, { note: reasons }),
    series("Reactor lag", ["latest"], ["line v1"], [({ lag }) => lag], roughly, { least: 0.001, said: time }),
    series("Memory", ["in RAM"], ["line v2"], [({ memory }) => memory / 1024 ** 2], (value) => `${Math.round(value)} MiB`),
  ];
  $("plots").append(...plots.map(({ figure }) => figure));
  new ResizeObserver(() => (watching.drawn ||= requestAnimationFrame(drawWatch))).observe($("plots"));
}

// The six figures of the last minute, each with a sparkline.
const FIGURES = [
  ["requests/s", "v1", every("http"), (some) => [rate(every("http")(some.at(-1)))]],
  ["in flight", "v1", ({ waiting }) => waiting, (some) => [rate(some.at(-1).waiting)]],
  ["lateness p99", "v4", ({ late }) => quantile(late, bounds.map((_, index) => index), 0.99) ?? 0, (some) => bound(quantile(summed(some), bounds, 0.99)).split(/ (?=m?s$)/)],
  ["reactor lag", "v4", ({ lag }) => lag, (some) => time(some.at(-1).lag).split(" ")],
  ["refused/min", "v3", every("refused"), (some) => [String(total(some.map(({ refused }) => total(Object.values(refused)))))]],
  ["memory", "v2", ({ memory }) => memory, (some) => mebi(some.at(-1).memory).split(" ")],
];
function makeFigures() {
  $("figures").append(...FIGURES.map(([word, kind]) => h("div", {}, h("span.dim", {}, word), h("p", {}, h("strong", {}, "–"), " ", h("small")),
    svg("svg", { viewBox: "0 0 600 100", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("path", { class: `line ${kind}`, "vector-effect": "non-scaling-stroke" })))));
}
function drawFigures() {
  const some = frames.since(60), now = some.at(-1)?.at;
  if (!some.length) return;
  FIGURES.forEach(([, , value, words], index) => {
    const cell = $("figures").children[index], [first, second = ""] = words(some);
    const values = some.map(value), room = index === 5 ? 0.1 : 0, least = room && Math.min(...values) * (1 - room), most = Math.max(...values, 1e-3) * (1 + room);
    put(cell.querySelector("strong"), first);
    put(cell.querySelector("small"), second);
    cell.querySelector("path").setAttribute("d", linePath(some, ({ at }) => 600 - (now - at) * 10, (frame) => 96 - ((value(frame) - least) / (most - least)) * 86));
  });
}

// The same in words: the last minute in steps of 5 s.
const COLUMNS = [
  ["until", (some) => clock(some.at(-1).at)],
  ...["2xx", "3xx", "4xx", "5xx"].map((word, index) => [`${word}/s`, (some) => rate(mean(some, each("http", index)))]),
  ["late p99", (some) => bound(quantile(summed(some), bounds, 0.99))],
  ["waiting", (some) => rate(some.at(-1).waiting)],
  ["connections", (some) => rate(some.at(-1).connections)],
  ...["in", "out", "dropped"].map((word, index) => [`UDP ${word}/s`, (some) => rate(mean(some, each("udp", index)))]),
  ["refused/s", (some) => rate(mean(some, every("refused")))],
  ["lag", (some) => time(Math.max(...some.map(({ lag }) => lag)))],
  ["memory", (some) => mebi(some.at(-1).memory)],
];
const mean = (some, value) => total(some.map((frame) => value(frame) * frame.span)) / total(some.map(({ span }) => span));
function drawTable() {
  const box = $("figures-table"), now = frames.all.at(-1)?.at ?? 0;
  if (!box.firstChild) box.append(h("table", {}, h("thead", {}, h("tr", {}, COLUMNS.map(([word]) => h("th", { scope: "col" }, word)))), h("tbody", {}, Array.from({ length: 12 }, () => h("tr", {}, COLUMNS.map((_, index) => h(index ? "td" : "th", index ? {} : { scope: "row" })))))));
  [...box.querySelectorAll("tbody tr")].forEach((row, index) => {
    const some = frames.all.filter(({ at }) => at <= now - index * 5 && at > now - (index + 1) * 5);
    COLUMNS.forEach(([, words], column) => put(row.cells[column], some.length ? words(some) : "–"));
  });
}

// All requests, where the link of the log has opened this page.
function heardRequest({ at, method, path, names, status, bytes, client }) {
  const query = names.length ? `?${names.map((name) => `${name}=…`).join("&")}` : "";
  const cells = [clock(at), h("b", {}, String(status)), h("code", {}, `${method} ${path}${query}`), size(bytes), client];
  $("requests-rows").prepend(h(`tr.${shade(status)}`, {}, cells.map((cell) => h("td", {}, cell))));
  if ($("requests-rows").rows.length > MOST_ROWS) $("requests-rows").lastChild.remove();
}
function takeToken() {
  const [, token] = /^#token=([\w-]+)$/.exec(location.hash) ?? [];
  wanted.token = kept("token", token);
  $("requests").hidden = !wanted.token;
}

function pause() {
  watching.paused = !watching.over && !watching.paused;
  rewatch();
}
function hold(held) {
  watching.held = held;
  rewatch();
}
function startWatch() {
  $("host").parentElement.append(h("div", { id: "live" }, h("span", { id: "live-text" }), button("", "Pause", pause, { id: "pause" })));
  const bar = document.querySelector(".bar");
  new ResizeObserver(() => document.documentElement.style.setProperty("scroll-padding-top", `${bar.offsetHeight + 14}px`)).observe(bar);
  makeFigures();
  makePlots();
  takeToken();
  $("as-table").addEventListener("click", () => {
    $("figures-table").hidden = !$("figures-table").hidden;
    $("as-table").ariaExpanded = !$("figures-table").hidden;
    drawTable();
  });
  document.addEventListener("visibilitychange", rewatch);
  addEventListener("hashchange", () => { if (location.hash.startsWith("#token=")) { takeToken(); rewatch(); } });
  watch();
}
