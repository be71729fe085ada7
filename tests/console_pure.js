// Claims about the pure parts of the console's script, which node runs after them.
const assert = require("node:assert");
const text = 'data: {"a":1}\n\n:\n\ndata: {"b":["\\n\\n","\u20ac"]}\n\n', wanted = [{ a: 1 }, { b: ["\n\n", "\u20ac"] }];
for (let cut = 0; cut <= text.length; cut++) {
  const events = new Events();
  assert.deepEqual([...events.feed(text.slice(0, cut)), ...events.feed(text.slice(cut))], wanted);
}
const single = new Events();
assert.deepEqual([...text].flatMap((letter) => single.feed(letter)), wanted);
const kept = new Frames(3);
kept.add([1, 2].map((at) => ({ at })));
kept.add([1, 2, 3, 4].map((at) => ({ at })));
assert.deepEqual(kept.all.map(({ at }) => at), [2, 3, 4]);
assert.deepEqual(kept.since(1).map(({ at }) => at), [4]);
assert.deepEqual([0, 1, 2, 3, 99].map(backOff), [1, 2, 5, 10, 10]);
assert.deepEqual([0, -1, NaN, 1, 1.1, 3, 7, 9.5, 0.03, 412, 1e6].map(ceiling), [1, 1, 1, 1, 2, 4, 8, 10, 0.04, 500, 1e6]);
const frames = [1, 2, 3, 20, 21].map((at) => ({ at, span: 1, n: at }));
assert.deepEqual(runs(frames).map((run) => run.length), [3, 2]);
assert.equal(linePath(frames, ({ at }) => at, ({ n }) => n), "M1 1L2 2L3 3h.1M20 20L21 21h.1");
assert.equal(areaPath(frames.slice(0, 2), ({ at }) => at, () => 0, ({ n }) => n), "M1 1L2 2L2 0L1 0Z");
assert.deepEqual(heatPaths(frames, ({ at }) => at, [({ n }) => (n === 2 ? 1 : n > 19 ? 99 : 0)], 10), ["M1 0H2v9H1z", "", "", "", "M19 0H20v9H19zM20 0H21v9H20z"]);
assert.equal(quantile([0, 0], [1, 2], 0.5), null);
assert.equal(quantile([5, 4, 1], [1, 2], 0.5), 1);
assert.equal(quantile([5, 4, 1], [1, 2], 0.6), 2);
assert.equal(quantile([5, 4, 1], [1, 2], 0.99), Infinity);
// Twelve of 3 s over six connections, then five of 3 s of one worker whose first ends 2 ms late.
const waved = Array.from({ length: 12 }, (_, index) => (index < 6 ? { times: [0, 0.01, 0.01, 3.01, 3.012] } : { times: [0, 3.013, 3.013, 6.013, 6.014] }));
assert.deepEqual(wavesOf(waved, 3).map((wave) => wave.length), [6, 6]);
assert.equal(connectionsOf(waved), 6);
const queued = [0, 1, 2, 3, 4].map((index) => ({ times: [0, 0, index * 3, index * 3 + 3.002, index * 3 + 3.003] }));
assert.deepEqual(wavesOf(queued.toReversed(), 3).map((wave) => wave.length), [1, 1, 1, 1, 1]);
assert.equal(connectionsOf(queued), 5);
assert.deepEqual([wavesOf([], 3), connectionsOf([])], [[], 0]);
assert.deepEqual(partsOf({ times: [0] }, 2), [["pending", 0, 2]]);
assert.deepEqual(partsOf({ times: [0, 1], over: true }, 2), [["pending", 0, 1]]);
assert.deepEqual(partsOf(waved[6], 9).map(([, from, to]) => [from, to]), [[0, 3.013], [3.013, 3.013], [3.013, 6.013], [6.013, 6.014]]);
assert.deepEqual([0.9, 3, 6.2, 36, 300, 0].map((end) => Number(stepOf(end, 6).toPrecision(6))), [0.2, 0.5, 2, 10, 50, 2e-7]);
assert.deepEqual(inRows([{ at: 0, text: "aaaa" }, { at: 10, text: "bb" }, { at: 95, text: "cc" }], 100, 0.5).map(({ row }) => row), [0, 1, 0]);
for (const { x } of inRows([{ at: 0, text: "aaaa" }, { at: 100, text: "bb" }], 100, 0.5)) assert.ok(x > 0 && x < 100);
console.log("ok");
