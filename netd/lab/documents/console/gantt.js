// A Gantt chart: what each request waited for, in turn.  A row has the seconds at which its parts
// begin and end: [sent, connected, begun, header, end], as far as they are known.
const PARTS = [["unconnected", "no connection yet"], ["queued", "queue for a worker"], ["delayed", "the delay"], ["responded", "response"]];

// The parts of a row; while not all is known there is one, up to now or to the end.
function partsOf({ times, over }, now) {
  if (times.length < 5) return [["pending", times[0], over ? times.at(-1) : now]];
  return PARTS.map(([kind], index) => [kind, times[index], times[index + 1]]);
}

// Rows in waves: one begins where a row had to wait for the first end of the wave before.
function wavesOf(rows, each) {
  const waves = [];
  let first = -Infinity;
  for (const row of rows.toSorted((a, b) => a.times[2] - b.times[2])) {
    if (row.times[2] > first - each / 4) {
      waves.push([]);
      first = Infinity;
    }
    waves.at(-1).push(row);
    first = Math.min(first, row.times[4]);
  }
  return waves;
}

// The most rows that had a connection at one time.
function connectionsOf(rows) {
  const changes = rows.flatMap(({ times }) => [[times[1], 1], [times[4], -1]]);
  let open = 0, most = 0;
  for (const [, change] of changes.sort((a, b) => a[0] - b[0] || a[1] - b[1])) most = Math.max(most, (open += change));
  return most;
}

// Labels in rows, so that none lies over another; `share` of each is left of its place if there is room.
const LETTER = 6.1;
function inRows(labels, most, share) {
  const ends = [];
  return labels.map(({ at, text }) => {
    const wide = text.length * LETTER, from = Math.max(0, Math.min(at - wide * share, most - wide));
    let row = ends.findIndex((end) => end + LETTER < from);
    if (row < 0) row = ends.push(0) - 1;
    ends[row] = from + wide;
    return { x: from + wide * share, row, text };
  });
}

const block = (from, to, top, high) => {
  const wide = Math.max(1.5, to - from), r = Math.min(2.5, wide / 2, high / 2);
  return `M${from + r} ${top}h${wide - 2 * r}a${r} ${r} 0 0 1 ${r} ${r}v${high - 2 * r}a${r} ${r} 0 0 1 ${-r} ${r}h${2 * r - wide}a${r} ${r} 0 0 1 ${-r} ${-r}v${2 * r - high}a${r} ${r} 0 0 1 ${r} ${-r}z`;
};

// Draw rows over `end` seconds: `lines` are expected times, `marks` measured ones.
function drawGantt(figure, { rows, count, end, now, lines, marks, label }) {
  const width = figure.clientWidth, left = 24, room = width - left - 8;
  if (room < 50) return;
  const pitch = Math.max(4, Math.min(16, Math.floor(320 / count))), high = pitch * 0.7, top = 18, foot = top + count * pitch + 3;
  const x = (seconds) => left + (Math.min(seconds, end) / end) * room;
  const text = (kind, at, y, words, anchor = "start") => svg("text", { class: kind, x: at, y, "text-anchor": anchor }, words);
  const paths = Object.fromEntries(["pending", ...PARTS.map(([kind]) => kind)].map((kind) => [kind, ""]));
  rows.forEach((row, index) => {
    for (const [kind, from, to] of partsOf(row, now)) {
      const thin = kind === "responded" && row.over ? 3 : 0;
      if (x(to) - x(from) >= 0.5 || thin) paths[kind] += block(x(from), Math.max(x(to), x(from) + thin), top + index * pitch, high);
    }
  });
  const step = stepOf(end, Math.max(2, Math.min(8, room / 60))), ticks = [];
  for (let at = 0; at <= end * 1.0001; at += step) ticks.push(at);
  const numbered = pitch >= 11 ? 1 : count > 50 ? 10 : 5;
  const numbers = Array.from({ length: count }, (_, index) => index + 1).filter((number) => number === 1 || number % numbered === 0);
  const placed = (labels) => labels.map(({ at, text: words }) => ({ at: x(at), text: words }));
  const drawn = lines.filter(({ at }) => at <= end), below = inRows(placed(drawn), width, 0.5), above = inRows(placed(marks), width, 1);
  const deep = foot + 20 + 15 * Math.max(0, ...below.map(({ row }) => row + 1));
  const expected = drawn.map(({ at }) => `M${x(at)} ${top - 4}V${foot + 5}`).join("");
  figure.replaceChildren(svg("svg", { width, height: deep, role: "img", "aria-label": label },
    svg("path", { class: "grid", d: ticks.map((at) => `M${x(at)} ${top - 4}V${foot}`).join("") }),
    ...Object.entries(paths).map(([kind, d]) => svg("path", { class: kind, d })),
    svg("path", { class: "expected", d: expected }),
    ...numbers.map((number) => text("mono", left - 7, top + (number - 0.5) * pitch + 2, String(number), "end")),
    ...ticks.map((at) => text("", x(at), foot + 15, at ? roughly(at) : "0 s", at + step > end * 1.0001 && x(at) > width - 24 ? "end" : "middle")),
    ...below.map((label) => text("expects", label.x, foot + 30 + 15 * label.row, label.text, "middle")),
    ...above.filter(({ row }) => !row).map((label) => text("mark", label.x, top - 8, label.text, "end"))));
}
