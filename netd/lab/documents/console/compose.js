// The controls of a delay (its shape, its durations) and of statuses by weight.
const toSlider = (value) => (Number.isNaN(value) ? 0 : Math.min(100, Math.cbrt(value / 30) * 100));
const fromSlider = (position) => 30 * (position / 100) ** 3;

const SHAPES = {
  fixed: ["", ["time"], ["1s"]],
  uniform: ["-", ["least", "most"], ["1s", "3s"]],
  normal: [",", ["mean", "deviation"], ["1s", "200ms"]],
  lognormal: [",", ["mean", "deviation"], ["1s", "200ms"]],
  exponential: ["", ["mean"], ["1s"]],
};
function shapeOf(text) {
  const [shape, rest] = text.includes(":") ? text.split(/:(.*)/s) : ["fixed", text];
  if (!(shape in SHAPES)) return null;
  const [separator, labels] = SHAPES[shape];
  const parts = separator ? rest.split(separator) : [rest];
  return parts.length === labels.length ? [shape, parts] : null;
}

function delayControl(value, change) {
  const rows = h("div"), plot = h("figure.histogram", { hidden: true });
  let [shape, parts] = shapeOf(value) ?? ["fixed", [value]];
  function tell() {
    const text = parts.join(SHAPES[shape][0]);
    change(shape === "fixed" ? text : `${shape}:${text}`);
    preview(plot, shape === "fixed" ? null : `${shape}:${text}`);
  }
  function draw() {
    rows.replaceChildren(...SHAPES[shape][1].map((label, index) => {
      const input = h("input", { value: parts[index], size: 8, spellcheck: false, autocomplete: "off", "aria-label": label });
      const range = slider(`${label}, slider`, toSlider(seconds(parts[index])), [0, 100, 1], (number) => { input.value = duration(fromSlider(number)); set(input.value); });
      const set = (text) => {
        parts[index] = text;
        input.setAttribute("aria-invalid", Number.isNaN(seconds(text)));
        tell();
      };
      input.addEventListener("input", () => { range.set(toSlider(seconds(input.value))); set(input.value); });
      return h("div.row", {}, h("span", {}, label), range, input);
    }));
  }
  draw();
  preview(plot, shape === "fixed" ? null : value);
  return h("div.delay", {}, choice("Shape of the delay", Object.keys(SHAPES), shape, (word) => {
    const kept = parts[0];
    shape = word;
    parts = [...SHAPES[word][2]];
    if (word !== "uniform" && kept) parts[0] = kept;
    draw();
    tell();
  }), rows, plot);
}

function statusControl(value, change) {
  const rows = value.split(",").filter(Boolean).map((each) => each.split(":")).map(([code, weight]) => ({ code, weight: Number(weight ?? 1) || 1 }));
  const list = h("div"), more = h("button.link", { type: "button", onclick: () => { rows.push({ code: "503", weight: 1 }); draw(rows.length - 1); tell(); } }, "Add a status");
  const shares = [];
  function tell() {
    const total = rows.reduce((sum, { weight }) => sum + weight, 0);
    shares.forEach((share, index) => (share.textContent = `${Math.round((rows[index].weight / total) * 100)} %`));
    change(rows.length > 1 ? rows.map(({ code, weight }) => `${code}:${weight}`).join(",") : rows[0]?.code ?? "");
  }
  function draw(focus) {
    shares.length = 0;
    const lines = rows.map((row, index) => {
      const colour = () => (line.className = `row status ${shade(Number(row.code))}`);
      const share = h("output", {}, "");
      shares.push(share);
      const alone = rows.length === 1;
      const line = h("div", {},
        h("input", { value: row.code, size: 5, inputMode: "numeric", "aria-label": "status", oninput: (event) => { row.code = event.target.value; colour(); tell(); } }),
        slider(`weight of ${row.code}`, row.weight, [0, Math.max(10, row.weight), 1], (number) => { row.weight = Math.max(1, number); tell(); }), share,
        alone ? null : h("button.remove", { type: "button", "aria-label": `Remove status ${row.code}`, onclick: () => { rows.splice(index, 1); draw(0); tell(); } }, "×"));
      line.querySelector("[type=range]").hidden = share.hidden = alone;
      colour();
      return line;
    });
    list.replaceChildren(...lines);
    if (focus !== undefined) lines[focus].querySelector("input").focus();
  }
  draw();
  const before = change;
  change = () => {};
  tell();
  change = before;
  return h("div.statuses", {}, list, more);
}

// The daemon's own draws of a delay, soon after it was last changed.
let previewing = 0;
function preview(plot, delay) {
  clearTimeout(previewing);
  if (!delay) return void (plot.hidden = true);
  previewing = setTimeout(async () => {
    try {
      const response = await fetch(`/console/preview?delay=${encoded(delay)}`);
      if (response.ok) drawHistogram(plot, await response.json());
    } catch {
      plot.hidden = true;
    }
  }, 120);
}
function drawHistogram(plot, { end, bins, median, p99 }) {
  const highest = Math.max(...bins);
  const bars = bins.map((count, index) => (count ? `M${index * 25 + 2} 100v${-(count / highest) * 98}h21v${(count / highest) * 98}z` : "")).join("");
  const at = (value) => Math.min(1000, (value / end) * 1000);
  const line = (value) => svg("line", { x1: at(value), x2: at(value), y1: 0, y2: 100, "vector-effect": "non-scaling-stroke" });
  const mark = (kind, text, value) => {
    const span = h(`span${kind}`, {}, text);
    span.style.setProperty("left", `${at(value) / 10}%`);
    return span;
  };
  const words = [`median ${time(median)}`, `99 %: ${time(p99)}`], near = at(p99) - at(median) < 480;
  plot.replaceChildren(
    h("div.marks", {}, mark(at(median) > 600 ? ".right" : "", words[0], median), near ? null : mark(".right", words[1], p99)),
    near ? h("div.marks", {}, mark(at(p99) > 500 ? ".right" : "", words[1], p99)) : "",
    svg("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", role: "img", "aria-label": `1000 draws: ${words.join(", ")}` }, svg("path", { d: bars }), line(median), line(p99)),
    h("div.axis", { "aria-hidden": "true" }, [0, end / 2, end].map((value) => h("span", {}, value ? duration(value) : "0"))));
  plot.hidden = false;
}
