// Joins the parts: the list, the form, the command and what was sent follow one state.
let commands = null;
const search = $("search");

function changed() {
  // A long target is broken before its fields.
  $("target").replaceChildren(...targetParts().flatMap(([kind, text]) => [...(text === "&" ? [h("wbr")] : []), h(`span.${kind}`, {}, text)]));
  for (const each of document.querySelectorAll("#fields .mistake")) each.remove();
  commands?.again();
  const asked = request();
  $("notes").replaceChildren(...notes(asked).map((text) => h("p", {}, text)));
  $("send").disabled = UNSENT.includes(state.method);
  $("chosen").replaceChildren(h("b", {}, state.route.path), ` ${state.route.help}`);
  // Browsers limit how often an address changes: Safari to 100 times in 30 s.
  clearTimeout(addressing);
  addressing = setTimeout(() => { if (!location.hash.startsWith("#bin=")) history.replaceState(null, "", linkTo(state.method, target())); }, 300);
}
let addressing = 0;
const link = () => new URL(linkTo(state.method, target()), location.href).href;

function note(text) {
  say(text);
  $("notes").replaceChildren(h("p", {}, text));
}
function follow(event) {
  // `changed` may have written another address since.
  const hash = event ? new URL(event.newURL).hash : location.hash;
  if (!hash.startsWith("#try=")) return;
  // All of it may be encoded once more.
  if (!load(/^[^/]*%2F/i.test(hash) ? decoded(hash.slice(5)) : hash.slice(5))) return note("The link fits no URL of this daemon.");
  $("list").classList.remove("open");
  if (narrow.matches || $("try").getBoundingClientRect().bottom < 80) {
    $("try-form").scrollIntoView();
    $("method").focus({ preventScroll: true });
  }
}
// Which of the page's own links the bar marks.
function here() {
  const pages = [...document.querySelectorAll(".bar nav a")];
  const current = pages.find((each) => each.getAttribute("href") === location.hash) ?? pages[0];
  for (const each of pages) each.ariaCurrent = each === current ? "page" : null;
}
const narrow = matchMedia("(max-width: 50rem)");

function scheme() {
  const words = ["like the system", "light", "dark"];
  const use = (word) => (document.documentElement.dataset.scheme = kept("scheme", word, "localStorage") ?? words[0]);
  $("scheme").append(h("span", {}, "Colours"), choice("Colours", words, use(), use));
}

function listen() {
  search.addEventListener("input", () => {
    drawList(search.value);
    say(`Found: ${$("routes").querySelectorAll("a").length}`);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") $("routes").querySelector("a")?.click();
    if (event.key === "Escape") { search.value = ""; drawList(""); }
  });
  addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      $("list").scrollIntoView({ block: "nearest" });
      search.focus();
    }
    if (event.key === "Escape") (sending ?? trial.running)?.abort();
  });
  $("all").addEventListener("click", () => ($("all").ariaExpanded = $("list").classList.toggle("open")));
  $("method").addEventListener("change", () => redraw(() => (state.method = $("method").value), "#method"));
  $("try-form").addEventListener("submit", (event) => { event.preventDefault(); send(); });
  $("ten").addEventListener("click", () => sending || send(10));
  addEventListener("hashchange", follow);
  addEventListener("hashchange", here);
  here();
}

async function start() {
  for (const each of document.querySelectorAll("main > [hidden], #scheme")) each.hidden = false;
  $("host").textContent = location.host;
  scheme();
  $("links").append(copier("Copy link", link, () => $("target")));
  $("short").append(copier("curl", () => curl(request()), () => $("snippet")));
  listen();
  startExperiment();
  startBin();
  startWatch();
  try {
    const response = await fetch("/help?format=json", { cache: "no-cache" });
    ({ routes, themes } = await response.json());
    search.placeholder = `Search ${routes.length} URLs`;
  } catch {
    $("send").disabled = true;
    return note("The list of URLs did not come. Reload the page.");
  }
  drawList("");
  linkReference();
  load(`GET ${routes.find(({ path }) => path === "/echo").example}`);
  follow();
  commands = drawSnippets();
  commands.select(0);
  // The sections were hidden when the browser looked for the one of a link.
  $(location.hash.slice(1))?.scrollIntoView();
  document.documentElement.dataset.ready = "yes";
}
start();
