// The experiment: many clients of a server that sleeps, and what each of them waited for.
const MODELS = ["one reactor", "one at a time", "a pool"];
const trial = { clients: 12, delay: "3s", pool: 5, model: MODELS[0], rows: [], started: 0, running: null, said: 0 };

const workers = () => [null, 1, Number(trial.pool)][MODELS.indexOf(trial.model)];
// What is wrong with the fields; null where nothing is.
const beyond = (name, text, most) => (/^[0-9]+$/.test(text) && text >= 1 && text <= most ? null : [name, `a number from 1 to ${most}`]);
function mistaken() {
  const delay = seconds(trial.delay) > 0 ? null : ["delay", "a duration such as 3s or 250ms"];
  return beyond("clients", trial.clients, 100) ?? delay ?? (trial.model === "a pool" ? beyond("workers", trial.pool, 1000) : null);
}

// Arithmetic, the least first: of each way its time, in words too.
function expectations() {
  const count = Number(trial.clients), each = seconds(trial.delay), pool = Number(trial.pool) || 1;
  const ways = [["one reactor", 1], [`pool of ${pool}`, Math.ceil(count / pool)], ["one at a time", count]];
  return ways.map(([name, times]) => ({ at: times * each, text: `${name}: ${multiplied(times, each)}` }));
}
const multiplied = (times, each) => `${times > 1 ? `${times} × ${roughly(each)} = ` : ""}${roughly(times * each)}`;
const expected = () => expectations()[[0, 2, 1][MODELS.indexOf(trial.model)]];

const asked = (path) => `${location.origin}${path}?delay=${encoded(trial.delay)}${workers() ? `&workers=${workers()}` : ""}`;
const commandLine = () => `seq ${trial.clients} | xargs -P${trial.clients} -I% curl -s ${quoted(asked(`${binPath()}/clients`))}`;

function drawSetting() {
  const input = (name, value, set, attributes) => h("label", {}, name, entry({ name, value, ...attributes, oninput: (event) => { set(event.target.value.trim()); settled(); } }));
  const number = { inputMode: "numeric", size: 4 };
  const pool = input("workers", trial.pool, (text) => (trial.pool = text), number);
  pool.hidden = true;
  $("setting").replaceChildren(
    choice("How the server serves", MODELS, trial.model, (word) => { trial.model = word; pool.hidden = word !== "a pool"; settled(); }), pool,
    input("clients", trial.clients, (text) => (trial.clients = text), number), input("delay", trial.delay, (text) => (trial.delay = text), { size: 6 }));
  const code = h("code");
  $("terminal").replaceChildren(h("pre", { tabIndex: 0, "aria-label": "In a terminal" }, code), copierOf(code));
}
// The fields have changed: what was drawn is no longer of them.
function settled() {
  const wrong = mistaken();
  for (const input of $("setting").querySelectorAll("[type=text]")) input.ariaInvalid = input.name === wrong?.[0];
  $("run").disabled = Boolean(wrong) && !trial.running;
  $("outcome").classList.toggle("mistake", Boolean(wrong));
  if (trial.running) return;
  trial.rows = [];
  $("told").hidden = true;
  $("outcome").textContent = wrong ? `${wrong.join(": ")}.` : "A browser opens six connections to a host, and its other requests wait. A terminal has no such limit:";
  if (wrong) return;
  $("terminal").querySelector("code").replaceChildren(...highlighted(commandLine()));
  drawTrial();
}

function drawTrial() {
  if (mistaken()) return;
  const { rows } = trial, now = trial.running ? (performance.now() - trial.started) / 1000 : 0;
  const lines = expectations().filter(({ at }, index, all) => index === 0 || at > all[index - 1].at);
  const end = Math.max(rows.length ? expected().at : lines.at(-1).at, now, ...rows.map(({ times }) => times.at(-1))) * 1.01;
  const over = rows.length && !trial.running && rows.every(({ times }) => times.length === 5);
  const ends = (over ? wavesOf(rows, seconds(trial.delay)) : []).map((wave) => Math.max(...wave.map(({ times }) => times[4])));
  const names = ends.length === 2 || ends.length === 3 ? ["first wave ", "second ", "third "] : [];
  const marks = ends.slice(names.length ? 0 : -1).map((at, index) => ({ at, text: `${names[index] ?? ""}${time(at)}` }));
  drawGantt($("gantt"), { rows, count: rows.length || Number(trial.clients), end, now, lines, marks, label: rows.length && !trial.running ? summary() : "No measurement yet" });
}

// One client, from `fetch` to the end of its response.
async function client(row, signal) {
  const chunk = (_, bytes) => (row.body = new TextDecoder().decode(bytes));
  const { response, status, error, head, end } = await perform({ url: row.url, headers: [TIMING] }, signal, { chunk });
  Object.assign(row, { status, error, header: head, queue: timing(response, "queue"), over: true, times: [0, end] });
  const done = trial.rows.filter(({ over }) => over).length;
  if (performance.now() - trial.said > 5000 && done < trial.rows.length) progress(`${done} of ${trial.rows.length} responses`);
}
function progress(text) {
  trial.said = performance.now();
  say(`Experiment: ${text} after ${time((trial.said - trial.started) / 1000)}.`);
}

// The parts of a row by Resource Timing; where that says nothing by the page's own clock.
function measured(row) {
  if (row.error) return;
  const at = (name, other) => (entryOf(row)?.[name] ? (entryOf(row)[name] - trial.started) / 1000 : other);
  const connected = at("requestStart", 0), header = at("responseStart", row.header);
  row.times = [0, connected, Math.min(header, connected + row.queue), header, at("responseEnd", row.times[1])];
}

async function run() {
  if (trial.running) return trial.running.abort();
  if (mistaken()) return;
  const key = randomKey();
  trial.running = new AbortController();
  // The live stream would take one of the connections.
  hold(true);
  $("run").textContent = "Cancel";
  $("told").hidden = true;
  performance.clearResourceTimings();
  trial.started = performance.now();
  trial.rows = Array.from({ length: Number(trial.clients) }, (_, index) => ({ number: index + 1, times: [0], queue: 0, url: `${asked(`/echo/client-${index + 1}`)}${workers() ? `&key=${key}` : ""}` }));
  progress(`${trial.rows.length} requests sent`);
  animating ||= requestAnimationFrame(animate);
  await Promise.all(trial.rows.map((row) => client(row, trial.running.signal)));
  for (let tries = 0; tries < 20 && trial.rows.some((row) => !row.error && !entryOf(row)); tries++) await new Promise((go) => setTimeout(go, 20));
  trial.running = null;
  for (const row of trial.rows) measured(row);
  hold(false);
  $("run").textContent = "Run here";
  $("outcome").textContent = summary();
  say(summary());
  tell($("told"), trial.rows);
  drawTrial();
}
// Draws again and again, as long as bars grow.
let animating = 0;
function animate() {
  animating = 0;
  if (trial.running) {
    for (const row of trial.rows) if (row.over && row.times.length < 5 && entryOf(row)) measured(row);
    drawTrial();
  }
  if (clients.some(({ end }) => !end)) drawChart();
  else if (!trial.running) return;
  animating = setTimeout(() => requestAnimationFrame(animate), calm.matches ? 1000 : 50);
}
function tell(details, rows) {
  details.hidden = false;
  details.querySelector("ol").replaceChildren(...rows.map((row) => h("li", {}, told(row))));
}
function told(row) {
  const took = time(row.times.at(-1) - row.times[0]);
  if (!row.over) return `${row.number}: waiting`;
  if (row.error) return `${row.number}: ${row.error} after ${took}`;
  const waits = partsOf(row, 0).map(([kind, from, to]) => [PARTS.find(([name]) => name === kind)[1], to - from]);
  return `${row.number}: ${row.status} after ${took} (${waits.filter(([, length]) => length >= 0.0005).map(([words, length]) => `${words} ${time(length)}`).join(", ")})`;
}

// The outcome in words, and what it is due to.
function summary() {
  const { rows } = trial, good = rows.filter(({ status }) => status === 200), end = Math.max(...rows.map(({ times }) => times.at(-1)));
  const head = `${good.length} of ${rows.length} responses after ${time(end)}.`;
  const bad = rows.find(({ status }) => status && status !== 200);
  if (bad) return `${head} ${bad.status}: ${detailOf(bad.body)}`;
  if (good.length < rows.length) return `${head} ${rows.find(({ error }) => error).error}.`;
  const waves = wavesOf(rows, seconds(trial.delay)).length, connections = connectionsOf(rows), queue = Math.max(...rows.map((row) => row.queue));
  const limit = connections < rows.length ? `opens ${connections} connections to a host. A terminal has no such limit:` : "";
  if (queue) return `${head} With ${workers()} ${workers() > 1 ? "workers" : "worker"} the longest queue was ${time(queue)}.${limit && ` Others waited in the browser, which ${limit}`}`;
  if (waves > 1 && limit) return `${waves} waves, and netd is not the reason: this browser ${limit}`;
  return `${head} Nobody waited for another: each waited its own ${roughly(seconds(trial.delay))} only.`;
}
// The clients of the terminal, whoever they are, as the bin sees them; a pause begins a new chart.
let clients = [];
function drawClients(events) {
  for (const event of events.filter(({ target }) => target.startsWith(`${binPath()}/clients?`))) {
    const waiting = clients.findIndex(({ id }) => id && id === event.id);
    if (waiting < 0 && (event.target !== clients[0]?.target || event.at > Math.max(...clients.map(({ at, took = Infinity }) => at + took)) + 0.25)) clients = [];
    clients.splice(waiting < 0 ? clients.length : waiting, 1, event);
  }
  if (events.length && clients.length) tell($("bin-told"), drawChart());
  if (clients.some(({ end }) => !end)) animating ||= requestAnimationFrame(animate);
}
// A client's row, whose first is at `start`; while it waits, its parts end `over` seconds after that.
function clientRow({ at, queue, delay, late, took, status, end }, index, start, over) {
  const from = at - start, now = took ?? over - from;
  const parts = end && end !== "sent" ? [0, now] : [0, 0, queue, queue + delay + (late ?? 0), now];
  return { number: index + 1, status, over: Boolean(end), error: end === "sent" ? "" : end, times: parts.map((part) => from + Math.min(part, now)) };
}
function drawChart() {
  $("bin-told").hidden = !clients.length;
  if (!clients.length) return $("bin-gantt").replaceChildren();
  // The daemon's clock by the event that came soonest.
  const behind = Math.min(...clients.map(({ heard, at, took = 0 }) => heard / 1000 - at - took)), now = performance.now() / 1000 - behind;
  const rows = clients.toSorted((a, b) => a.at - b.at).map((client, index, [first]) => clientRow(client, index, first.at, now - first.at));
  const each = Math.max(...clients.map(({ delay }) => delay)), most = Number(/[?&]workers=(\d+)/.exec(clients[0].target)?.[1] ?? rows.length);
  const rounds = Math.ceil(rows.length / most), end = Math.max(...rows.map(({ times }) => times.at(-1)));
  drawGantt($("bin-gantt"), { rows, count: rows.length, now: 0, end: Math.max(end, rounds * each) * 1.01, label: `${rows.length} clients in ${time(end)}, from your bin`,
    lines: each ? [{ at: rounds * each, text: multiplied(rounds, each) }] : [], marks: [{ at: end, text: `live from your bin: ${time(end)}` }] });
  return rows;
}

function startExperiment() {
  $("legend").append(...[...PARTS, ["expected", "arithmetic, not measured"]].map(([kind, words]) => h("li", {}, swatch(kind), words)));
  drawSetting();
  settled();
  $("trial").addEventListener("submit", (event) => { event.preventDefault(); run(); });
  new ResizeObserver(() => { drawTrial(); drawChart(); }).observe($("gantt"));
}
