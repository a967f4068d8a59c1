// The page begins: it gets the film, draws it, follows changes, and hears keys.
"use strict";

const FILTERS = ["q", "state", "scene", "tag", "tier", "pick"];
const NOTHING = "\u0000"; // the value of a filter that passes what has none
let session = sessionStorage.getItem("klingflow-session") ?? "";

/** Ask the server; what it refuses comes back as {error}. */
async function ask(path, options = {}) {
  const headers = { "x-klingflow-session": session, "content-type": "application/json" };
  try {
    const answer = await fetch(path, { ...options, headers });
    return await answer.json();
  } catch {
    return { error: t("klingflow does not answer; is it still running in the terminal?") };
  }
}

/** The address holds a ticket that opens one session; after that it is worth nothing. */
async function begin() {
  const ticket = new URLSearchParams(location.hash.slice(1)).get("ticket");
  if (ticket) {
    history.replaceState(null, "", location.pathname);
    const said = await ask("session", { method: "POST", body: JSON.stringify({ ticket }) });
    if (said.error) return notice(said.error);
    session = said.session;
    sessionStorage.setItem("klingflow-session", session);
  }
  await refresh();
  if (film.data) follow();
}

async function refresh() {
  const said = await ask("data");
  if (said.error) return notice(said.error);
  // Two replies may come in the other order: what is newer stays.
  if (!film.data || said.version >= film.data.version) show(said);
}

/** Follow the film: the server says the number of its newest version whenever there is another. */
async function follow() {
  for (;;) {
    try {
      const answer = await fetch("changes", { headers: { "x-klingflow-session": session } });
      if (!answer.ok) return notice((await answer.json()).error);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        const versions = [...part.value.matchAll(/^data: (\d+)$/gm)];
        if (versions.length && Number(versions.at(-1)[1]) !== film.data.version) await refresh();
      }
    } catch {
      notice(t("klingflow does not answer; is it still running in the terminal?"));
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

function notice(text) {
  byId("notice").textContent = text;
}

/** Show a film: all of the page is drawn from its data. */
function show(data) {
  film.data = data;
  document.title = `${data.name} · klingflow`;
  byId("name").textContent = data.name;
  notice(data.trouble ?? "");
  shape(data.takes);
  fillFilters();
  draw();
  refreshDetail();
}

/** The form of most of the film's videos is that of the cards. */
function shape(takes) {
  const counted = { upright: 0, square: 0, wide: 0 };
  for (const { media, ratio } of takes) {
    const [width, height] = media?.width ? [media.width, media.height] : String(ratio ?? "16:9").split(":").map(Number);
    counted[width < height ? "upright" : width === height ? "square" : "wide"] += 1;
  }
  const most = Object.keys(counted).sort((one, other) => counted[other] - counted[one])[0];
  for (const name of ["upright", "square"]) document.documentElement.classList.toggle(name, name === most);
}

function draw() {
  const wanted = filters();
  film.shown = film.data.takes.filter((take) => passes(take, wanted));
  drawCounts();
  drawSheet();
}

function drawCounts() {
  const { takes } = film.data;
  const wanted = takes.filter((take) => !take.gone);
  const states = Object.keys(STATES)
    .map((state) => [state, wanted.filter((take) => take.state === state).length])
    .filter(([, count]) => count);
  const shots = new Set(wanted.map((take) => take.id));
  const picked = new Set(wanted.filter((take) => take.pick === "picked").map((take) => take.id));
  const said = states.map(([state, count]) => `${count} ${t(STATES[state])}`);
  said.push(t("{n} of {all} shots picked", { n: picked.size, all: shots.size }));
  byId("counts").textContent = said.join(" · ");
  byId("found").textContent = film.shown.length === takes.length ? "" : t("{n} of {all} takes", { n: film.shown.length, all: takes.length });
}

// Filters stand behind the # of the address, so that a view can be kept as a bookmark, in a report
// on disk as well.
function filters() {
  const said = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(FILTERS.map((name) => [name, said.get(name) ?? ""]));
}

function passes(take, wanted) {
  const tier = take.billed_tier ?? take.predicted_tier ?? "";
  const same = (value, filter) => !filter || (filter === NOTHING ? !value : value === filter);
  return same(take.state, wanted.state) && same(take.scene ?? "", wanted.scene)
    && same(tier, wanted.tier) && same(take.pick ?? "open", wanted.pick)
    && (!wanted.tag || (take.tags ?? []).includes(wanted.tag)) && holds(take, wanted.q);
}

function holds(take, text) {
  if (!text) return true;
  const { key, title, prompt, dialogue = [], note, pick_note: said, task_id: task } = take;
  const all = [key, title, prompt, ...dialogue, note, said, task].filter(Boolean).join("\n").toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}

function fillFilters() {
  const { takes } = film.data;
  const wanted = filters();
  const distinct = (values) => [...new Set(values)].filter(Boolean);
  const scenes = distinct(takes.map((take) => take.scene));
  fill("state", distinct(takes.map((take) => take.state)), wanted, (state) => t(STATES[state]));
  fill("scene", scenes.length ? [...scenes, NOTHING] : [], wanted, (scene) => (scene === NOTHING ? t("Without a scene") : scene));
  fill("tag", distinct(takes.flatMap((take) => take.tags ?? [])), wanted);
  fill("tier", distinct(takes.map((take) => take.billed_tier ?? take.predicted_tier)), wanted);
  fill("pick", Object.keys(PICKS), wanted, (pick) => t(PICKS[pick]));
  byId("q").value = wanted.q;
}

function fill(name, values, wanted, word = (value) => value) {
  const options = ["", ...values].map((value) =>
    make("option", { value, selected: value === wanted[name] }, value ? word(value) : t("all")));
  byId(name).replaceChildren(...options);
  byId(name).closest("label").hidden = values.length < 2 && !wanted[name];
}

byId("filters").addEventListener("input", () => {
  const said = FILTERS.map((name) => [name, byId(name).value]).filter(([, value]) => value);
  history.replaceState(null, "", `#${new URLSearchParams(said)}`);
  draw();
});
byId("filters").addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", () => { if (film.data) { fillFilters(); draw(); } });

byId("show-sums").addEventListener("click", () => { drawSums(); byId("sums").showModal(); });
byId("show-night").addEventListener("click", () => { drawNight(); byId("night").showModal(); });
byId("show-help").addEventListener("click", () => byId("help").showModal());
byId("close").addEventListener("click", () => byId("detail").close());
byId("detail").addEventListener("close", () => {
  byId("screen").replaceChildren();
  // The event comes after the dialog is gone: somebody may be writing in a field by then.
  choose(film.chosen, { focus: !inField(document.activeElement) });
});
for (const one of document.querySelectorAll("[data-close]")) {
  one.addEventListener("click", () => one.closest("dialog").close());
}

byId("language").addEventListener("click", () => {
  language = language === "zh" ? "en" : "zh";
  remembered.set("language", language);
  translate();
  themeButton();
  if (film.data) show(film.data);
});

const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (remembered.get("theme") ?? (dark.matches ? "dark" : "light")) === "dark";

function themeButton() {
  const theme = remembered.get("theme");
  for (const name of ["dark", "light"]) document.documentElement.classList.toggle(name, theme === name);
  byId("theme").textContent = t(isDark() ? "Light" : "Dark");
}
dark.addEventListener("change", themeButton);
byId("theme").addEventListener("click", () => {
  remembered.set("theme", isDark() ? "light" : "dark");
  themeButton();
});

// Keys. What is typed into a field is text.
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !film.data) return;
  if (inField(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const act = keyed(event.key, event.target);
  if (act && act() !== false) event.preventDefault();
});

const inField = (element) => Boolean(element?.closest("input, select, textarea"));

function keyed(key, target) {
  const take = takeCalled(film.chosen);
  if (/^Arrow/.test(key)) return () => step(key);
  if (/^[1-9]$/.test(key)) return () => pickNumber(Number(key));
  if (target.closest("button") && (key === " " || key === "Enter")) return key === " " ? playPause : null;
  return {
    " ": playPause,
    Enter: () => openDetail(film.chosen),
    x: () => act(take, "reject"),
    u: () => act(take, "unpick"),
    n: () => { if (take && film.data.may_write) { openDetail(take.key); writeNote(take); } },
    "/": () => byId("q").focus(),
    "?": () => byId("help").showModal(),
  }[key];
}

function step(arrow) {
  if (document.querySelector("dialog[open]:not(#detail)")) return false;
  const key = neighbour(byId("detail").open && arrow === "ArrowUp" ? "ArrowLeft"
    : byId("detail").open && arrow === "ArrowDown" ? "ArrowRight" : arrow);
  if (!key) return true;
  if (byId("detail").open) openDetail(key);
  else choose(key, { focus: true });
  return true;
}

function playPause() {
  const video = byId("screen").querySelector("video");
  if (!byId("detail").open) {
    if (!film.chosen) return false;
    openDetail(film.chosen);
  } else if (video?.paused) video.play();
  else video?.pause();
  return true;
}

function pickNumber(number) {
  const take = takesOf(film.chosen && takeCalled(film.chosen)?.id).find((one) => one.take === number);
  if (take) act(take, "pick");
}

function act(take, verb) {
  if (!take || take.state !== "done") return;
  if (film.data.may_write) say(take, verb);
  else copy(command(verb, take));
}

translate();
themeButton();
if (typeof DATA !== "undefined") show(DATA);
else begin();
