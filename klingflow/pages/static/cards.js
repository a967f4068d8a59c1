// The contact sheet: scenes, shots, and the takes of each shot side by side.
"use strict";

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

function drawSheet() {
  // Before cards move: one that is moved loses the focus.
  const focused = document.activeElement?.closest("main .take")?.dataset.key;
  const scenes = new Map();
  for (const take of film.shown) {
    const name = take.gone ? null : take.scene ?? "";
    if (!scenes.has(name)) scenes.set(name, new Map());
    const shots = scenes.get(name);
    if (!shots.has(take.id)) shots.set(take.id, []);
    shots.get(take.id).push(take);
  }
  const sections = [...scenes].map(([name, shots]) => sceneOf(name, shots, scenes.size > 1));
  const empty = make("p", { class: "empty" }, t("No take passes these filters."));
  byId("film").replaceChildren(...(sections.length ? sections : [empty]));
  choose(focused ?? film.chosen, { focus: Boolean(focused) });
}

function sceneOf(name, shots, several) {
  const heading = name === null ? t("No longer in the manifest") : name || t("Without a scene");
  const counted = shots.size === 1 ? t("{n} shot", { n: 1 }) : t("{n} shots", { n: shots.size });
  const count = make("small", {}, " ", counted);
  const list = make("ul", { class: "shots" }, [...shots.values()].map(shotOf));
  const title = several || name ? make("h2", {}, make("bdi", {}, heading), count) : null;
  return make("section", { class: "scene", "aria-label": heading }, title, list);
}

// Shots as they were drawn, by what was drawn: one that has not changed stays as it is.
const drawn = new Map();

function shotOf(takes) {
  const said = JSON.stringify([language, takes, takes.map((take) => film.data.posters[take.uid])]);
  const before = drawn.get(takes[0].key);
  if (before?.said === said) return before.shot;
  const shot = newShot(takes);
  drawn.set(takes[0].key, { said, shot });
  return shot;
}

function newShot(takes) {
  const [first] = takes;
  const words = make("div", { class: "words" },
    make("p", { class: "name" }, first.title ? `${first.id} · ${first.title}` : first.id),
    first.dialogue ? make("p", { class: "dialogue" }, first.dialogue.map((line) => `“${line}”`).join("\n")) : null,
    make("p", {}, first.prompt ?? ""));
  return make("li", { class: "shot" }, make("div", { class: "takes" }, takes.map(cardOf)), words);
}

/** One take as a button: its picture, what was said of it, its state. */
function cardOf(take) {
  const name = `${take.key}: ${t(STATES[take.state])}, ${t(PICKS[take.pick ?? "open"])}`;
  const card = make("button", { class: `take ${take.pick ?? ""}`, "data-key": take.key, type: "button" },
    make("span", { class: "unseen" }, name),
    make("span", { class: "frame" }, pictureOf(take)),
    make("span", { class: "below" }, badgeOf(take), make("span", {}, belowOf(take)), make("span", {}, whatOf(take))));
  card.addEventListener("click", () => openDetail(take.key));
  card.addEventListener("focus", () => choose(take.key));
  card.addEventListener("mouseenter", () => playIn(card, take));
  card.addEventListener("mouseleave", () => card.querySelector("video")?.remove());
  return card;
}

function pictureOf(take) {
  const poster = film.data.posters[take.uid];
  if (!poster) return [stillOf(take), make("span", { class: "none" }, take.error?.message || t(STATES[take.state]))];
  const picture = make("img", { src: poster, alt: "", loading: "lazy", decoding: "async" });
  // Without a picture of it, the video shows its own beginning.
  picture.addEventListener("error", () => picture.replaceWith(videoOf(take, { preload: "metadata" })));
  return picture;
}

/** What a take will be made from, until it has a video: its first local image, faint. */
function stillOf(take) {
  const still = take.references?.map((one) => film.data.stills[one.sha256]).find(Boolean);
  return still ? make("img", { class: "still", src: still, alt: "", loading: "lazy", decoding: "async" }) : null;
}

/** The number of a take and what was said of it: below the picture, whose corners may hold the mark
    of AI-made video. */
function badgeOf(take) {
  const said = take.pick && take.pick !== "open" ? t(PICKS[take.pick]) : "";
  const label = [take.take > 1 || takesOf(take.id).length > 1 ? `#${take.take}` : "", said];
  const text = label.filter(Boolean).join(" ");
  return text ? make("span", { class: "badge" }, text) : null;
}

const belowOf = (take) => (take.billed_tier ?? take.predicted_tier ?? "").replace(/^kling-/, "");

function whatOf(take) {
  if (take.media?.remarks?.length) return make("span", { class: "mark" }, `⚠ ${take.media.remarks.length}`);
  // Without a picture and an error, the state stands in the frame.
  if (take.state !== "done" && !take.error && !film.data.posters[take.uid]) return "";
  if (take.state !== "done") return make("span", { class: take.error ? "error" : "" }, t(STATES[take.state]));
  return take.changes?.length ? make("span", { class: "mark" }, t("changed")) : "";
}

function videoOf(take, attributes) {
  const video = make("video", { src: film.data.videos[take.uid], playsinline: true, ...attributes });
  video.muted = true;
  return video;
}

/** Play a take in its card while the pointer is over it. */
function playIn(card, take) {
  if (reducedMotion.matches || !film.data.videos[take.uid] || card.querySelector("video")) return;
  const video = videoOf(take, { loop: true });
  card.querySelector(".frame").append(video);
  video.play().catch(() => video.remove());
}

/** Make a take the one that keys act on. */
function choose(key, { focus = false } = {}) {
  film.chosen = key;
  for (const one of document.querySelectorAll("main .take.chosen")) one.classList.remove("chosen");
  const card = document.querySelector(`main .take[data-key="${CSS.escape(key)}"]`);
  card?.classList.add("chosen");
  if (focus) card?.focus({ preventScroll: false });
}

/** The take beside the chosen one; up and down go by the places of cards on the screen. */
function neighbour(arrow) {
  const cards = [...document.querySelectorAll("main .take")];
  const at = cards.findIndex((card) => card.dataset.key === film.chosen);
  if (at < 0) return cards[0]?.dataset.key;
  if (arrow === "ArrowLeft") return cards[at - 1]?.dataset.key;
  if (arrow === "ArrowRight") return cards[at + 1]?.dataset.key;
  return above(cards, at, arrow === "ArrowUp" ? -1 : 1)?.dataset.key;
}

function above(cards, at, step) {
  const here = cards[at].getBoundingClientRect();
  let best = null;
  let distance = Infinity;
  let row = null;
  for (let other = at + step; other >= 0 && other < cards.length; other += step) {
    const there = cards[other].getBoundingClientRect();
    if (Math.abs(there.top - here.top) < here.height / 2) continue;
    row ??= there.top;
    if (Math.abs(there.top - row) > here.height / 2) break;
    const apart = Math.abs(there.left - here.left);
    if (apart < distance) [best, distance] = [cards[other], apart];
  }
  return best;
}
