// Sends the request as the page's own, reads the response as a stream, and shows both in time.
const MOST_READ = 10 * 1024 ** 2, MOST_SHOWN = 256 * 1024, MOST_KEPT = 20;
const FORBIDDEN = /^(accept-(charset|encoding)|access-control-request-.*|connection|content-length|cookie2?|date|dnt|expect|host|keep-alive|origin|referer|set-cookie|te|trailer|transfer-encoding|upgrade|via|user-agent|(proxy|sec)-.*)$/i;
const UNSENT = ["TRACE", "CONNECT", "TRACK"];
const TIMING = ["X-Netd-Timing", "yes"];
const sent = [];
let sending = null;

// What a browser cannot do with this request, and curl can.
function notes({ method, headers }) {
  const path = target(), said = [];
  if (UNSENT.includes(method)) said.push(`A browser does not send ${method}; curl does.`);
  const dropped = headers.map(([name]) => name).filter((name) => FORBIDDEN.test(name));
  if (dropped.length) said.push(`A browser drops or replaces ${dropped.join(", ")}; curl sends what is said.`);
  if (/redirect|^\/links\/\d+$|status\/3|[?&]status=3|cookies\/(set|delete)/.test(path)) said.push("A browser follows redirects and shows the last response; curl shows the first.");
  if (/fault\/close|fault=close/.test(path)) said.push("Chromium retries a connection that closes without a response: netd may see five requests.");
  if (/digest-auth|basic-auth/.test(path)) said.push("The page sends no password, so the response is a 401; curl takes -u ada:secret.");
  return said;
}

// Once, shown as it comes; or several times at once, of which only the times are kept.
async function send(count) {
  if (sending) return sending.abort();
  const asked = request(), views = count ? Array(count).fill(null) : [openResult(asked)];
  // Not in the URL, which stays the one to copy.
  const timed = { ...asked, headers: [...(state.route.composable ? [TIMING] : []), ...asked.headers] };
  sending = new AbortController();
  $("send").textContent = "Cancel";
  performance.clearResourceTimings();
  const records = await Promise.all(views.map((view) => perform(timed, sending.signal, view).then(keep)));
  sending = null;
  $("send").textContent = "Send";
  if (count) say(`${count} responses, median ${time(median(records.map(({ end }) => end)))}.`);
}

// One request, from `fetch` to the end of its body; `view` is told of each part.
async function perform({ url, ...asked }, signal, view) {
  const record = { start: performance.now(), end: null, ticks: [], bytes: 0, status: 0, reason: "", cut: false, error: "" };
  view?.head?.(record);
  try {
    // Without no-store Chromium's cache lets one request after the other through.
    const response = await fetch(url, { ...asked, signal, cache: "no-store", credentials: /^\/cookies/.test(new URL(url).pathname) ? "same-origin" : "omit" });
    Object.assign(record, { status: response.status, reason: response.statusText, head: since(record), response });
    view?.head?.(record);
    const reader = response.body?.getReader();
    while (reader) {
      const { done, value } = await reader.read();
      if (done) break;
      record.ticks.push(since(record));
      record.bytes += value.length;
      view?.chunk(record, value);
      if (record.bytes >= MOST_READ) {
        record.cut = true;
        await reader.cancel();
        break;
      }
    }
  } catch (wrong) {
    record.error = signal.aborted ? "Cancelled" : wrong.message;
  }
  record.end = since(record);
  view?.done?.(record);
  return record;
}
const since = (record) => (performance.now() - record.start) / 1000;

function keep(record) {
  sent.unshift({ status: record.status, seconds: record.end, error: record.error });
  sent.length = Math.min(sent.length, MOST_KEPT);
  const longest = Math.max(...sent.map(({ seconds }) => seconds), 1e-6);
  $("sent").replaceChildren(...sent.map(({ status, seconds, error }) => {
    const bar = h("span.sentbar");
    bar.style.width = `${Math.max(1, (seconds / longest) * 100)}%`;
    return h(`li.${error ? "s5" : shade(status)}`, {}, h("b", {}, String(status || (error === "Cancelled" ? "left" : "none"))), h("span", { "aria-hidden": "true" }, bar), h("span", {}, time(seconds)));
  }));
  $("sent-median").textContent = `${sent.length} · median ${time(median(sent.map(({ seconds }) => seconds)))}`;
  $("sent-box").hidden = false;
  return record;
}
