// The routes of /help?format=json: which one a path belongs to, and which ones a search finds.
let routes = [];

const segmentsOf = (path) => path.slice(1).split("/");
const nameOf = (segment) => (segment.startsWith("<") ? segment.slice(1, -1).replace("path:", "") : null);

// As the daemon does it: what is not UTF-8 stays encoded.
const decoded = (text) => text.replace(/(%[0-9a-f]{2})+/gi, (run) => {
  try {
    return decodeURIComponent(run);
  } catch {
    return run;
  }
});

// The values of a route's `<name>` segments in the path of a URL; null where it is another's.
function matched(route, path) {
  const wanted = segmentsOf(route.path), given = segmentsOf(path).map(decoded), values = {};
  if (route.path.includes("<path:") && given.length > wanted.length) given.push(given.splice(wanted.length - 1).join("/"));
  const fits = (segment, index) => {
    const name = nameOf(segment), text = given[index];
    if (name) values[name] = text;
    return name ? text || segment.startsWith("<path:") : text === segment;
  };
  return given.length === wanted.length && wanted.every(fits) ? values : null;
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

const words = (route) => [route.path, route.help, route.theme, route.example, ...Object.keys(route.parameters)].join(" ").toLowerCase();
// Routes that have every word of `text`, those that have it in their path first.
function found(text) {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  const list = routes.filter((route) => wanted.every((word) => words(route).includes(word)));
  const inPath = (route) => wanted.every((word) => route.path.toLowerCase().includes(word));
  return [...list.filter(inPath), ...list.filter((route) => !inPath(route))];
}

const linkTo = (method, target) => `#try=${method}%20${target}`;
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
