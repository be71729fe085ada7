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
        slider(`weight of ${row.code}`, row.weight, [1, Math.max(10, row.weight), 1], (number) => { row.weight = number; tell(); }), share,
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
