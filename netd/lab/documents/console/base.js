// What every part uses: elements, colours of statuses, texts of times and sizes, tabs.
const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

// An element: properties that begin with "on" are listeners, "class", "aria-..." and the like attributes.
function h(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}
function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// What buttons and text fields have in common: `kind` is the class of a button.
const button = (kind, words, press, attributes = {}) => h(`button${kind}`, { type: "button", onclick: press, ...attributes }, words);
const remover = (name, press) => button(".remove", "×", press, { ariaLabel: `Remove ${name}` });
const entry = (attributes) => h("input", { type: "text", spellcheck: false, autocomplete: "off", ...attributes });

const shade = (status) => (status >= 500 || !status ? "s5" : status >= 400 ? "s4" : status >= 300 ? "s3" : "s2");

// 0.4 ms, 62 ms, 1.058 s
function time(seconds) {
  if (seconds < 0.01) return `${(seconds * 1000).toFixed(1)} ms`;
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(seconds < 100 ? 3 : 0)} s`;
}
function size(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  return bytes < 1024 ** 2 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}
// 250 ms, 3 s, 1.5 s
const roughly = (value) => (value < 1 ? `${Number((value * 1000).toPrecision(3))} ms` : `${Number(value.toPrecision(4))} s`);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)];

const UNITS = { d: 86400, h: 3600, m: 60, s: 1, ms: 0.001, us: 0.000001 };
// The seconds of 1m30s, 250ms or 3; NaN for other texts.
function seconds(text) {
  let sum = 0;
  const rest = text.replace(/([0-9]+(?:\.[0-9]*)?)(d|h|ms|m|s|us)?/g, (_, number, unit = "s") => { sum += number * UNITS[unit]; return ""; });
  return rest || !text ? NaN : sum;
}
// 250ms, 3s: what the daemon reads.
const duration = (value) => roughly(Number(value.toPrecision(2))).replace(" ", "");

// What this tab, or every tab, remembers over a reload; a browser may keep nothing.
function kept(name, value, place = "sessionStorage") {
  try {
    if (value !== undefined) window[place].setItem(name, value);
    return window[place].getItem(name);
  } catch {
    return value ?? null;
  }
}

let names = 0;
const unique = (prefix) => `${prefix}-${++names}`;

// Tabs: the arrow keys, Home and End go from one to the other, and `show` fills the panel.
function tabs(label, words, show, ...more) {
  const panel = h("div.panel", { role: "tabpanel", id: unique("panel"), tabIndex: 0 });
  const buttons = words.map((word, index) => button(".tab", word, () => select(index), { role: "tab", id: unique("tab"), "aria-controls": panel.id }));
  const list = h("div.tabs", { role: "tablist", ariaLabel: label }, buttons);
  let current = 0;
  function select(index, focus) {
    current = (index + words.length) % words.length;
    buttons.forEach((each, at) => Object.assign(each, { ariaSelected: at === current, tabIndex: at === current ? 0 : -1 }));
    panel.setAttribute("aria-labelledby", buttons[current].id);
    if (focus) buttons[current].focus();
    show(panel, current);
  }
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: current + 1, ArrowLeft: current - 1, Home: 0, End: words.length - 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    select(step, true);
  });
  const head = h("div.head", {}, list, ...more);
  return { head, panel, buttons, select, again: () => select(current) };
}

// One of several words as radio buttons in a row.
function choice(legend, words, chosen, change) {
  const name = unique("choice");
  const labels = words.map((word) =>
    h("label", {}, h("input", { type: "radio", name, value: word, checked: word === chosen, onchange: () => change(word) }), h("span", {}, word)));
  return h("div.choice", { role: "radiogroup", ariaLabel: legend }, labels);
}

const slider = (label, value, [min, max, step], change) =>
  h("input", { type: "range", min, max, step, value, ariaLabel: label, oninput: (event) => change(Number(event.target.value)) });

// Copies `text()`; without a clipboard (plain HTTP) `source()` is selected for Ctrl+C.
const copierOf = (element) => copier("Copy", () => element.textContent, () => element);
function copier(words, text, source) {
  const copy = button("", words, async () => {
    let said = "Copied";
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      getSelection().selectAllChildren(source());
      said = "Selected";
    }
    copy.textContent = said;
    say(`${said}.`);
    setTimeout(() => (copy.textContent = words), 1500);
  });
  return copy;
}
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const say = (text) => ($("status").textContent = text);
