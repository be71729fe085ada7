// The response: its status and times, a timeline with a tick for each chunk, body, header and hex.
function hexed(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const text = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ").padEnd(47)}  ${text}`);
  }
  return lines.join("\n");
}

// The bytes of chunks, one after the other.
function joined(chunks) {
  const all = new Uint8Array(total(chunks.map(({ length }) => length)));
  chunks.reduce((at, chunk) => { all.set(chunk, at); return at + chunk.length; }, 0);
  return all;
}

function openResult(asked) {
  const facts = h("div.facts"), line = h("div.timeline"), scale = h("div.scale"), text = h("pre"), shown = [], whole = [];
  let record = null, drawing = 0, picture = null;
  const headers = () => [...(record.response?.headers ?? [])].map((pair) => pair.join(": "));
  const view = tabs("Response", ["Body", "Headers", "Hex"], (panel, index) => {
    panel.replaceChildren(index === 0 && picture ? picture : text);
    if (!record) return void (text.textContent = "");
    if (index === 0) text.textContent = bodyText();
    if (index === 1) text.textContent = headers().join("\n");
    if (index === 2) text.textContent = hexed(joined(shown).subarray(0, 16384));
  }, copierOf(text));
  function bodyText() {
    if (record.error && !record.bytes) return explained(record, asked);
    const cut = record.bytes > MOST_SHOWN ? `\n… the first ${size(MOST_SHOWN)} of ${record.cut ? "more than " : ""}${size(record.bytes)}` : "";
    const broken = record.error ? `\n… ${explained(record, asked)}` : "";
    return new TextDecoder().decode(joined(shown)) + cut + broken;
  }
  function drawHead() {
    const end = record.end ?? since(record);
    drawTimeline(line, scale, record, end);
    const drawn = timing(record.response, "delay"), [number, unit] = size(record.bytes).split(" ");
    const status = record.status ? `${record.status} ${record.reason}`.trim() : record.error ? "no response" : "Waiting …";
    facts.replaceChildren(h(`strong.badge.${record.error ? "s5" : record.status ? shade(record.status) : ""}`, {}, record.status && record.error ? `${status}, broken` : status), h("b", {}, time(end)), h("span", {}, h("b", {}, number), ` ${unit}`), drawn ? h("span.dim", {}, `delay drawn ${time(drawn)}`) : "");
  }
  function draw() {
    drawing = 0;
    drawHead();
    view.buttons[1].textContent = `Headers ${headers().length}`;
    view.again();
  }
  const growing = setInterval(() => record?.end ?? drawHead(), calm.matches ? 1000 : 100);
  const soon = (now) => { record = now; drawing ||= requestAnimationFrame(draw); };
  $("result").replaceChildren(facts, line, scale, view.head, view.panel);
  $("results").hidden = false;
  view.select(0);
  // As far as the button stays, which is Cancel now.
  const top = narrow.matches ? Infinity : $("send").getBoundingClientRect().top - 70;
  scrollBy(0, Math.max(0, Math.min(top, $("result").getBoundingClientRect().bottom + 200 - innerHeight)));
  return {
    head: soon,
    chunk(now, bytes) {
      const room = MOST_SHOWN - (now.bytes - bytes.length);
      if (room > 0) shown.push(bytes.subarray(0, room));
      if (now.response.headers.get("content-type")?.startsWith("image/")) whole.push(bytes);
      soon(now);
    },
    done(now) {
      record = now;
      cancelAnimationFrame(drawing);
      clearInterval(growing);
      const type = now.response?.headers.get("content-type") ?? "";
      if (whole.length && !now.error && !now.cut) picture = pictureOf(whole, type);
      measure(now, asked);
      draw();
      const head = now.status ? `${now.status} ${now.reason}${now.error && `, then ${now.error}`}` : now.error;
      say(`${head} after ${time(now.end)}${now.status ? `, ${size(now.bytes)}` : ""}`);
      if (now.status === 400) showMistake(joined(shown));
      // Resource Timing may come a moment after the end.
      setTimeout(() => { if (!now.connect && measure(now, asked)) drawTimeline(line, scale, now, now.end); }, 60);
    },
  };
}
function pictureOf(parts, type) {
  const url = URL.createObjectURL(new Blob(parts, { type }));
  return h("img", { src: url, alt: "The image of the response", onload: () => URL.revokeObjectURL(url) });
}
function explained(record, { url }) {
  if (record.error === "Cancelled") return `Cancelled after ${time(record.end)}.`;
  const fault = /fault[/=]([a-z-]+)/.exec(url)?.[1];
  return `${record.error}: ${fault ? `the URL asks for the fault ${fault}, and ` : ""}a browser says no more; curl may.`;
}

// What Resource Timing knows of the connection and the first byte.
const entryOf = ({ url }) => performance.getEntriesByName(url).at(-1);
function measure(record, asked) {
  const entry = entryOf(asked);
  if (!entry?.responseStart) return false;
  record.connect = Math.max(0, entry.requestStart - entry.startTime) / 1000;
  record.head = Math.max(record.connect, (entry.responseStart - entry.startTime) / 1000);
  return true;
}
// The seconds of a part that the response says in Server-Timing; 0 where it says nothing.
const timing = (response, part) => (new RegExp(`${part};dur=([0-9.e-]+)`).exec(response?.headers.get("server-timing") ?? "")?.[1] ?? 0) / 1000;

const bar = (kind, from, to, end) => svg("rect", { class: kind, x: (from / end) * 1000, width: Math.max(0, ((to - from) / end) * 1000), y: 0, height: 16, rx: 2 });
function drawTimeline(line, scale, record, end) {
  const connect = record.connect ?? 0, queue = timing(record.response, "queue"), head = Math.min(record.head ?? end, end), last = end || 1e-6;
  const ticks = record.ticks.map((at) => `M${(at / last) * 996 + 2} 0v16`).join("");
  line.replaceChildren(svg("svg", { viewBox: "0 0 1000 16", preserveAspectRatio: "none", "aria-hidden": "true" },
    bar("connect", 0, connect, last), bar("queued", connect, Math.min(head, connect + queue), last), bar("delayed", Math.min(head, connect + queue), head, last), bar("body", head, last, last), svg("path", { class: "ticks", d: ticks, "vector-effect": "non-scaling-stroke" })));
  const chunks = `${record.ticks.length} ${record.ticks.length === 1 ? "chunk" : "chunks"}`;
  const waits = queue ? [`queue ${time(queue)}`] : [];
  scale.replaceChildren(...[`connect ${time(connect)}`, ...waits, `wait ${time(Math.max(0, head - connect - queue))}`, `${chunks} in ${time(last - head)}`].map((word) => h("span", {}, word)));
}

// The daemon's own words at the field that they are about.
function detailOf(body) {
  try {
    return String(JSON.parse(body).detail);
  } catch {
    return body.slice(0, 200);
  }
}
function showMistake(bytes) {
  const detail = detailOf(new TextDecoder().decode(bytes)), name = detail.split(":")[0];
  const field = [...$("fields").children].find((each) => each.dataset.name === name);
  if (!field) return;
  const id = unique("mistake");
  field.append(h("p.mistake", { id }, detail));
  field.querySelector("input, textarea, select")?.setAttribute("aria-describedby", id);
}
