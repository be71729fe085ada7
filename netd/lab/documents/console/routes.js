// The routes of /help?format=json: which one a path belongs to, and which ones a search finds.
let routes = [];

const segmentsOf = (path) => path.slice(1).split("/");
const nameOf = (segment) => (segment.startsWith("<") ? segment.slice(1, -1).replace("path:", "") : null);

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// The values of a route's `<name>` segments in the path of a URL; null where it is another's.
function matched(route, path) {
  const names = segmentsOf(route.path).map(nameOf).filter(Boolean);
  const pattern = route.path.replaceAll(".", "\\.").replace(/<path:\w+>/, "(.*)").replace(/<\w+>/g, "([^/]+)");
  const values = new RegExp(`^${pattern}$`, "s").exec(path)?.slice(1).map(decoded);
  return values ? Object.fromEntries(names.map((name, index) => [name, values[index]])) : null;
}
function routeOf(path) {
  for (const route of routes) {
    const values = matched(route, path);
    if (values) return { route, values };
  }
  return null;
}

function pairsOf(query) {
  if (!query) return [];
  return query.split("&").filter(Boolean).map((field) => {
    const [name, ...rest] = field.replaceAll("+", " ").split("=");
    return [decoded(name), decoded(rest.join("="))];
  });
}

const words = (route) => [route.path, route.help, route.theme, ...Object.keys(route.parameters)].join(" ").toLowerCase();
// Routes that have every word of `text`, those that have it in their path first.
function found(text) {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  const list = routes.filter((route) => wanted.every((word) => words(route).includes(word)));
  const inPath = (route) => wanted.every((word) => route.path.toLowerCase().includes(word));
  return [...list.filter(inPath), ...list.filter((route) => !inPath(route))];
}

const linkTo = (method, target) => `#try=${encodeURIComponent(`${method} ${target}`).replace(/%(2F|3A|2C|3F|3D|40)/g, decodeURIComponent)}`;
const linkOf = ({ methods: [method], example }) => linkTo(method === "*" ? "GET" : method, example);

// The path of a route with its names in another colour.
const painted = (path) => path.split(/(<[^>]*>)/).map((part) => (part.startsWith("<") ? h("i", {}, part) : part));

function drawList(text) {
  const box = $("routes"), searching = text.trim() !== "";
  const groups = searching ? [["Found", found(text)]] : themes.map((name) => [name, routes.filter((route) => route.theme === name)]);
  box.replaceChildren(...groups.map(([name, group], index) =>
    h("details", { open: searching || index < 5 },
      h("summary", {}, name, h("span", {}, String(group.length))),
      h("ul", {}, group.map((route) => h("li", {}, h("a", { href: linkOf(route), title: route.help, "data-path": route.path }, h("code", {}, painted(route.path)))))))));
  box.classList.toggle("searching", searching);
  mark();
}
let themes = [];
// The Reference has a link to the form at each route.
function linkReference() {
  for (const row of document.querySelectorAll(".route > div:first-child")) {
    const route = routes.find(({ path }) => path === row.querySelector("code").textContent);
    if (route) row.append(h("a.try", { href: linkOf(route) }, "Try"));
  }
}
function mark() {
  for (const link of $("routes").querySelectorAll("a")) link.ariaCurrent = link.dataset.path === state.route?.path || null;
}
