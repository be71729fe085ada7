// Plots.  Scales and paths are pure; a plot is an SVG with a fixed number of nodes, one path a series or
// shade, drawn at the width that it has, so that text is never scaled.
const SPAN = 300, LEFT = 56, SHADES = 5;

// The least of these round numbers, times a power of ten, that is not below `value`.
function roundUp(value, numbers) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return Number((numbers.find((number) => number * unit >= value * 0.9999) * unit).toPrecision(3));
}
// The end of an axis, and the distances between at most `most` ticks on it.
const ceiling = (value) => (value > 0 ? roundUp(value, [1, 2, 4, 5, 8, 10]) : 1);
const stepOf = (end, most) => roundUp(Math.max(end, 1e-6) / most, [1, 2, 5, 10]);
const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);

// Frames that follow one another without a gap; nothing is drawn where nobody watched.
function runs(frames) {
  const found = [];
  frames.forEach((frame, index) => {
    if (!index || frame.at - frames[index - 1].at > Math.max(3, frame.span * 1.5)) found.push([]);
    found.at(-1).push(frame);
  });
  return found;
}
const rounded = (number) => Math.round(number * 10) / 10;
const through = (run, x, y) => run.map((frame) => `${rounded(x(frame))} ${rounded(y(frame))}`).join("L");
const linePath = (frames, x, y) => runs(frames).map((run) => `M${through(run, x, y)}h.1`).join("");
const areaPath = (frames, x, low, high) => runs(frames).map((run) => `M${through(run, x, high)}L${through(run.toReversed(), x, low)}Z`).join("");

// A path for each shade of a heat map: a row for each of `rows`, which give the count of a frame.
function heatPaths(frames, x, rows, height) {
  const most = Math.log1p(Math.max(1, ...frames.flatMap((frame) => rows.map((row) => row(frame))))), paths = Array(SHADES).fill("");
  for (const run of runs(frames)) run.forEach((frame, number) => {
    const left = rounded(x(run[number - 1] ?? { at: frame.at - frame.span })), cell = `H${rounded(x(frame))}v${height - 1}H${left}z`;
    rows.forEach((row, index) => {
      const shade = Math.ceil((Math.log1p(row(frame)) / most) * SHADES) - 1;
      if (shade >= 0) paths[shade] += `M${left} ${index * height}${cell}`;
    });
  });
  return paths;
}

// The bound of a histogram's buckets that `share` of all counts do not exceed; null without a count.
function quantile(counts, bounds, share) {
  const all = total(counts);
  let sum = 0;
  return all ? bounds[counts.findIndex((count) => (sum += count) >= share * all)] ?? Infinity : null;
}

// What a series or a part looks like in a legend; lines are drawn as lines.
function swatch(kind) {
  const d = kind.startsWith("line") ? "M0 4h16" : kind === "expected" ? "M8 0v8" : kind === "responded" ? "M6 0h3v8H6z" : "M.5.5h15v7H.5z";
  return svg("svg", { class: "swatch", viewBox: "0 0 16 8", "aria-hidden": "true" }, svg("path", { class: kind, d }));
}

// A figure: its caption says the latest values, `draw(view, width, x, frames)` sets the paths.
function plot(title, { height = 90, words = [], kinds, labels = 3, draw, axis = false }) {
  const values = words.map(() => h("b"));
  const legend = h("ul", {}, words.map((word, index) => h("li", {}, swatch(kinds[index]), `${word} `, values[index])));
  const said = h("span.said");
  const ticks = Array.from({ length: labels }, () => svg("text", { x: LEFT - 8, "text-anchor": "end" }, ""));
  const grid = svg("path", { class: "grid" });
  const paths = kinds.map((kind) => svg("path", { class: kind }));
  const ends = axis ? [svg("text", { x: LEFT, y: height + 16 }, "5 min ago"), svg("text", { x: "100%", y: height + 16, "text-anchor": "end" }, "now")] : [];
  const picture = svg("svg", { height: height + (axis ? 22 : 6), "aria-hidden": "true" }, grid, ...paths, ...ticks, ...ends);
  const figure = h("figure.plot", {}, h("figcaption", {}, h("h3", {}, title), said, words.length ? legend : null), picture);
  const view = {
    figure, paths, ticks, values, said, height,
    // Lines across at even steps of the axis, from 0 at the bottom to `most`.
    scale(width, most, text) {
      grid.setAttribute("d", [0, 0.5, 1].map((part) => `M${LEFT} ${rounded(height - part * (height - 8))}H${width}`).join(""));
      ticks.forEach((tick, index) => {
        put(tick, text((most * index) / (ticks.length - 1)));
        tick.setAttribute("y", height - (index / (ticks.length - 1)) * (height - 8) + 4);
      });
      return (value) => height - Math.min(1, value / most) * (height - 8);
    },
    redraw(frames, width) {
      const now = frames.at(-1)?.at ?? 0;
      if (width < 100) return;
      picture.setAttribute("width", width);
      draw(view, width, ({ at }) => LEFT + (1 - Math.min(1, (now - at) / SPAN)) * (width - LEFT), frames);
    },
  };
  return view;
}
const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };

// Series that stand on one another, or lines; `values` give the number of a frame, `text` writes one.
function series(title, words, kinds, values, text, options = {}) {
  return plot(title, { height: 56, labels: 2, ...options, words, kinds, draw(view, width, x, frames) {
    const sum = (frame, count) => total(values.slice(0, count).map((value) => value(frame)));
    const stacked = options.stacked, largest = stacked ? (frame) => sum(frame, values.length) : (frame) => Math.max(...values.map((value) => value(frame)));
    const y = view.scale(width, ceiling(Math.max(options.least ?? 0, ...frames.map(largest))), text);
    view.paths.forEach((path, index) => path.setAttribute("d", stacked
      ? areaPath(frames, x, (frame) => y(sum(frame, index)), (frame) => y(sum(frame, index + 1)))
      : linePath(frames, x, (frame) => y(values[index](frame)))));
    const last = frames.at(-1);
    view.values.forEach((value, index) => put(value, last ? (options.said ?? text)(values[index](last)) : "–"));
    if (options.note) put(view.said, options.note(frames));
  } });
}
