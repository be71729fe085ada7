// Your bin: requests to a URL that nobody can guess.  Each shows when its response is over; one that waits
// for long shows from its start.
const BIN_BODY = 16384;
const OWN_FIELDS = /^(host|content-length|transfer-encoding|connection|keep-alive|upgrade|expect)$/i;
const bin = { own: "", key: "", events: [], fresh: [], waiting: new Map(), missed: 0, drawing: 0 };
const isKey = (text) => /^[A-Za-z0-9_-]{22}$/.test(text);
const binPath = () => `/echo/b-${bin.key}`;

// 128 random bits.
function randomKey() {
  const bytes = String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16)));
  return btoa(bytes).slice(0, 22).replaceAll("+", "-").replaceAll("/", "_");
}

// Watch the bin of `key`, which may be another's.
function watchBin(key) {
  if (key === bin.key) return;
  Object.assign(bin, { key, events: [], fresh: [], missed: 0 });
  const own = key === bin.own, url = $("bin-url");
  clients = [];
  forgetWaiting();
  $("bin-rows").replaceChildren();
  $("bin-title").textContent = own ? "Your bin" : "Another's bin";
  $("bin-own").hidden = own;
  url.textContent = `/echo/b-${key.slice(0, 8)}…`;
  url.href = linkTo("POST", `${binPath()}/hello`);
  countBin();
  settled();
  wanted.bin = key;
  if ($("live")) rewatch();
}
function countBin() {
  const { events, missed } = bin, lost = missed ? `; ${missed} came too fast` : "";
  $("bin-count").textContent = events.length || missed ? `${events.length} of at most ${MOST_ROWS}, kept by this page only${lost}` : "What is sent to this URL shows here. Nobody else knows the URL.";
  $("bin-save").disabled = !events.length;
}

// Events come in bursts, and are drawn together.
function heardBin(event) {
  bin.fresh.push({ ...event, heard: performance.now() });
  bin.drawing ||= requestAnimationFrame(drawBin);
}
function drawBin() {
  const fresh = bin.fresh.splice(0), over = fresh.filter(({ end }) => end), rows = $("bin-rows");
  bin.drawing = 0;
  bin.events = [...over.toReversed(), ...bin.events].slice(0, MOST_ROWS);
  for (const event of fresh.slice(-2 * MOST_ROWS)) {
    const row = binRow(event), before = bin.waiting.get(event.id);
    if (before?.isConnected) before.replaceWith(row);
    else rows.prepend(row);
    if (event.end) bin.waiting.delete(event.id);
    else bin.waiting.set(event.id, row);
  }
  // What is being read stays until it is left.
  for (const row of [...rows.children].slice(MOST_ROWS)) if (!row.contains(document.activeElement)) row.remove();
  countBin();
  drawClients(fresh);
}
// The ends of what waits may have been missed.
function forgetWaiting() {
  for (const row of bin.waiting.values()) row.remove();
  bin.waiting.clear();
  bin.fresh = bin.fresh.filter(({ end }) => end);
  clients = clients.filter(({ end }) => end);
  drawChart();
}
function binRow(event) {
  const { at, status, method, target, delay, end, late, took } = event;
  const path = target.startsWith(binPath()) ? `…${target.slice(binPath().length)}` : target;
  const cell = (unseen, text) => h("span", {}, h("span.unseen", {}, unseen), text);
  const last = end === "sent" ? cell("late ", time(Math.max(0, late ?? 0))) : cell("", end ? `${end} at ${time(took)}` : "waiting");
  const cells = [cell("", clock(at)), end ? h(`b.${shade(status)}`, {}, String(status)) : h("span", {}, "…"), h("code", {}, `${method} ${path.slice(0, 300)}`), cell("asked ", delay ? roughly(delay) : "0"), last];
  if (!end) return h("li.event", {}, cells);
  const row = h("details", {}, h("summary.event", {}, cells));
  row.addEventListener("toggle", () => { if (row.open && row.children.length === 1) row.append(openedBin(event)); });
  return h("li", {}, row);
}
function openedBin(event) {
  const { method, target, headers, text, base64, bytes, queue, took, client, fault } = event;
  const texts = [`${method} ${target}\n${headers.map(([name, value]) => `${name}: ${value}`).join("\n")}`, `${text ?? base64 ?? ""}${bytes > BIN_BODY ? `\n… the first 16 KiB of ${size(bytes)}` : ""}`, curlOf(event)];
  const code = h("pre"), facts = [client && `from ${client}`, size(bytes), event.delay && `asked ${roughly(event.delay)}`, queue && `queue ${time(queue)}`, `took ${time(took)}`, fault && `fault ${fault}`];
  const view = tabs("Request", [`Headers ${headers.length}`, base64 ? "Body (base64)" : "Body", "curl"], (panel, index) => {
    code.textContent = texts[index];
    panel.append(code);
  }, copier("Copy as curl", () => texts[2], () => (view.select(2), code)));
  view.select(0);
  return h("div.box", {}, h("p.hint", {}, facts.filter(Boolean).join(", ")), view.head, view.panel);
}
function curlOf({ method, target, headers, text, base64, bytes }) {
  const command = curl({ method, url: location.origin + target, headers: headers.filter(([name]) => !OWN_FIELDS.test(name)), body: bytes ? text ?? "-" : null });
  const note = bytes > BIN_BODY ? `# the first 16 KiB of ${size(bytes)}\n` : "";
  return note + (base64 ? `printf %s ${quoted(base64)} | base64 -d | ${command.replace("--data-raw '-'", "--data-binary @-")}` : command);
}

function saveBin() {
  const href = URL.createObjectURL(new Blob([JSON.stringify(bin.events, null, 2)], { type: "application/json" }));
  h("a", { href, download: "netd-bin.json" }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}
function takeBin() {
  const [, key] = /^#bin=(.*)$/.exec(location.hash) ?? [];
  if (key === undefined) return;
  if (isKey(key)) watchBin(key);
  else say("The link has no key of a bin.");
}
function startBin() {
  const before = kept("bin") ?? "";
  bin.own = isKey(before) ? before : kept("bin", randomKey());
  const missed = (count) => { bin.missed += count; forgetWaiting(); countBin(); missedRequests(count); };
  Object.assign(hears, { bin: heardBin, start: heardBin, open: forgetWaiting, missed });
  $("bin-actions").prepend(copier("Copy URL", () => location.origin + binPath(), () => $("bin-url")), copier("Copy link to watch", () => `${location.origin}/console#bin=${bin.key}`, () => $("bin-url")));
  $("bin-save").addEventListener("click", saveBin);
  $("bin-own").addEventListener("click", () => watchBin(bin.own));
  addEventListener("hashchange", takeBin);
  takeBin();
  if (!bin.key) watchBin(bin.own);
}
