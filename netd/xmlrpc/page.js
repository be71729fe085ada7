"use strict";
const form = document.querySelector("form"), out = form.querySelector("output");
const [method, text] = [form.elements.method, form.elements.parameters];
const url = location.origin + location.pathname;
for (const code of document.querySelectorAll("pre"))
  code.textContent = code.textContent.replaceAll("http://localhost:8000/RPC2", url);

const escaped = (s) => s.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
function xml(v) {
  if (v === null) return "<nil/>";
  if (Array.isArray(v)) return `<array><data>${v.map(value).join("")}</data></array>`;
  switch (typeof v) {
    case "boolean": return `<boolean>${+v}</boolean>`;
    case "string": return `<string>${escaped(v)}</string>`;
    case "number":
      if (!Number.isSafeInteger(v)) return `<double>${v}</double>`;
      return Math.abs(v) < 2147483648 ? `<int>${v}</int>` : `<i8>${v}</i8>`;
  }
  const member = ([k, x]) => `<member><name>${escaped(k)}</name>${value(x)}</member>`;
  return `<struct>${Object.entries(v).map(member).join("")}</struct>`;
}
const value = (v) => `<value>${xml(v)}</value>`;

// What came back, in the same words as the parameters: JSON, but with every digit of an i8.
function shown(node, pad = "") {
  const type = node.firstElementChild, more = pad + "  ";
  if (!type) return JSON.stringify(node.textContent);
  const list = (items, a, z) => items.length ? `${a}\n${items.map((i) => more + i).join(",\n")}\n${pad}${z}` : a + z;
  switch (type.tagName) {
    case "int": case "i8": case "double": return type.textContent;
    case "boolean": return String(type.textContent === "1");
    case "nil": return "null";
    case "array": return list([...type.firstElementChild.children].map((v) => shown(v, more)), "[", "]");
    case "struct": return list([...type.children].map((m) =>
      `${JSON.stringify(m.children[0].textContent)}: ${shown(m.children[1], more)}`), "{", "}");
    case "string": return JSON.stringify(type.textContent);
  }
  return `${type.tagName} ${type.textContent}`;
}
function say(words, fault) {
  out.textContent = words;
  out.classList.toggle("fault", fault);
}
function fill() {
  text.value = method.selectedOptions[0].dataset.parameters;
  out.textContent = "";
}
// A string of the form where the method takes no string but a dateTime or base64.
const typed = (v, type) =>
  type && typeof v === "string" ? `<value><${type}>${escaped(v)}</${type}></value>` : value(v);
let calls = 0;
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const call = ++calls;
  const done = (words, fault) => { if (call === calls) say(words, fault); };
  let values;
  try {
    values = JSON.parse(`[${text.value}]`);
  } catch (wrong) {
    text.focus();
    return say(`The parameters are no JSON: ${wrong.message}`, true);
  }
  const texts = JSON.parse(method.selectedOptions[0].dataset.texts);
  const params = values.map((v, n) => `<param>${typed(v, texts[n])}</param>`).join("");
  say("...", false);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "text/xml" },
      body: `<?xml version="1.0"?><methodCall><methodName>${escaped(method.value)}</methodName><params>${params}</params></methodCall>`,
    });
    const result = new DOMParser().parseFromString(await response.text(), "text/xml");
    const fault = result.querySelector("fault > value");
    if (!fault) return done(shown(result.querySelector("params > param > value")), false);
    const [code, string] = fault.querySelectorAll("member > value");
    done(`Fault ${code.textContent}: ${string.textContent}`, true);
  } catch (wrong) {
    done(`No response: ${wrong.message}`, true);
  }
});
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
document.addEventListener("click", (event) => {
  const name = event.target.dataset.method;
  if (!name) return;
  method.value = name;
  fill();
  form.scrollIntoView({ block: "nearest" });
  // The keyboard goes on at the form, without the one that a phone shows for a text.
  form.querySelector("button").focus({ preventScroll: true });
  form.requestSubmit();
});
method.addEventListener("change", fill);
function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const folded = target?.closest("details");
  if (!folded) return;
  folded.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", unfold);
unfold();
