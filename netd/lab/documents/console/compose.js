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
    rows.replaceChildren(...SHAPES[shape][1].map((label, index) => scaled(label, label, parts[index], DURATIONS, (text) => { parts[index] = text; tell(); })));
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
  const list = h("div"), more = button(".link", "Add a status", () => { rows.push({ code: "503", weight: 1 }); draw(rows.length - 1); });
  const shares = [];
  function share() {
    const all = total(rows.map(({ weight }) => weight));
    shares.forEach((each, index) => (each.textContent = `${Math.round((rows[index].weight / all) * 100)} %`));
  }
  function tell() {
    share();
    change(rows.length > 1 ? rows.map(({ code, weight }) => `${code}:${weight}`).join(",") : rows[0]?.code ?? "");
  }
  function draw(focus) {
    const lines = rows.map((row, index) => {
      const colour = () => (line.className = `row status ${shade(Number(row.code))}`);
      const alone = rows.length === 1;
      shares[index] = h("output", { hidden: alone, ariaLive: "off" });
      const line = h("div", {},
        entry({ value: row.code, size: 5, inputMode: "numeric", ariaLabel: "status", oninput: (event) => { row.code = event.target.value; colour(); tell(); } }),
        slider(`weight of ${row.code}`, row.weight, [0, Math.max(10, row.weight), 1], (number) => { row.weight = Math.max(1, number); tell(); }), shares[index],
        alone ? null : remover(`status ${row.code}`, () => { rows.splice(index, 1); draw(0); }));
      line.querySelector("[type=range]").hidden = alone;
      colour();
      return line;
    });
    shares.length = rows.length;
    list.replaceChildren(...lines);
    if (focus === undefined) return share();
    lines[focus].querySelector("input").focus();
    tell();
  }
  draw();
  return h("div", {}, list, more);
}

// The daemon's own draws of a delay, soon after it was last changed.
let previewing = 0;
function preview(plot, delay) {
  clearTimeout(previewing);
  if (!delay) plot.hidden = true;
  const own = previewing = delay && setTimeout(async () => {
    try {
      const response = await fetch(`/console/preview?delay=${encoded(delay)}`), drawn = await response.json();
      if (own === previewing) drawHistogram(plot, drawn);
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
  const mark = (text, value) => {
    const span = h(`span${at(value) > 500 ? ".right" : ""}`, {}, text);
    span.style.left = `${at(value) / 10}%`;
    return h("div.marks", {}, span);
  };
  const words = [`median ${time(median)}`, `99 %: ${time(p99)}`];
  plot.replaceChildren(mark(words[0], median), mark(words[1], p99),
    svg("svg", { viewBox: "0 0 1000 100", preserveAspectRatio: "none", role: "img", "aria-label": `1000 draws: ${words.join(", ")}` }, svg("path", { d: bars }), line(median), line(p99)),
    h("div.axis", { "aria-hidden": "true" }, [0, end / 2, end].map((value) => h("span", {}, value ? roughly(value) : "0 s"))));
  plot.hidden = false;
}
