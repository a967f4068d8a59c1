// One take enlarged: its video beside the film's other takes of the shot, and all that is known of
// it.
"use strict";

function openDetail(key) {
  const take = takeCalled(key) ?? film.data.takes.find((one) => one.key === key);
  if (!take) return;
  choose(key);
  byId("note-form").hidden = true;
  byId("said").textContent = "";
  showScreen(take);
  showFacts(take);
  if (!byId("detail").open) byId("detail").showModal();
}

/** Draw the open take again after the film has changed; its video goes on. */
function refreshDetail() {
  if (!byId("detail").open) return;
  const take = takeCalled(film.chosen);
  if (!take) return byId("detail").close();
  const video = byId("screen").querySelector("video");
  if (video?.dataset.uid !== take.uid) showScreen(take);
  showFacts(take);
}

function showScreen(take) {
  const source = film.data.videos[take.uid];
  const poster = film.data.posters[take.uid];
  const screen = source
    ? make("video", { src: source, poster, controls: true, loop: true, playsinline: true, "data-uid": take.uid })
    : make("p", {}, take.error?.message || t(STATES[take.state]));
  byId("screen").replaceChildren(screen);
  if (source && !reducedMotion.matches) screen.play().catch(() => {});
}

function showFacts(take) {
  byId("take-name").textContent = take.title ? `${take.key} · ${take.title}` : take.key;
  const others = takesOf(take.id);
  byId("strip").replaceChildren(...(others.length > 1 ? others.map(cardOf) : []));
  for (const card of byId("strip").children) {
    card.classList.toggle("chosen", card.dataset.key === take.key);
  }
  byId("choices").replaceChildren(...choicesOf(take));
  byId("told").replaceChildren(...toldOf(take).filter(Boolean));
}

function choicesOf(take) {
  if (take.gone || take.state !== "done") return [];
  if (!film.data.may_write) {
    return ["pick", "reject"].map((verb) => button(t(verb === "pick" ? "Copy: pick" : "Copy: reject"),
      false, () => copy(command(verb, take))));
  }
  return [
    button(t("Pick"), take.pick === "picked", () => say(take, take.pick === "picked" ? "unpick" : "pick")),
    button(t("Reject"), take.pick === "rejected", () => say(take, take.pick === "rejected" ? "unpick" : "reject")),
    button(t("Note"), false, () => writeNote(take)),
  ];
}

function button(name, pressed, act) {
  const made = make("button", { type: "button", "aria-pressed": String(pressed) }, name);
  made.addEventListener("click", act);
  return made;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    byId("said").textContent = t("Copied: {text}", { text });
  } catch {
    byId("said").textContent = text;
  }
}

/** Write what was said of a take into the picks file. */
async function say(take, verb, note = "") {
  const question = { verb, key: take.key, uid: take.uid, note };
  const said = await ask("picks", { method: "POST", body: JSON.stringify(question) });
  byId("said").textContent = said.error ?? "";
  if (!byId("detail").open && said.error) notice(said.error);
  if (!said.error) await refresh();
}

function writeNote(take) {
  if (take.pick !== "picked" && take.pick !== "rejected") {
    byId("said").textContent = t("Pick or reject it first: a note says why.");
    return;
  }
  byId("note-form").hidden = false;
  byId("note").value = take.pick_note ?? "";
  byId("note").focus();
}

byId("note-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const take = takeCalled(film.chosen);
  byId("note-form").hidden = true;
  if (take) say(take, take.pick === "rejected" ? "reject" : "pick", byId("note").value.trim());
});

function toldOf(take) {
  return [
    take.pick_note ? titled(t("Note"), textOf(take.pick_note)) : null,
    take.error ? titled(t("Error"), make("p", { class: "text error" }, errorOf(take.error))) : null,
    take.media?.remarks?.length
      ? titled(t("Remarks"), ...take.media.remarks.map((remark) => make("p", { class: "mark" }, t(REMARKS[remark.kind], remark))))
      : null,
    take.changes?.length ? titled(t("Different in the manifest"), changesOf(take)) : null,
    take.prompt ? titled(t("Prompt"), textOf(take.prompt)) : null,
    take.dialogue ? titled(t("Dialogue"), textOf(take.dialogue.join("\n"))) : null,
    take.note ? titled(t("For people"), textOf(take.note)) : null,
    take.references?.length ? titled(t("References"), referencesOf(take)) : null,
    pairs(factsOf(take)),
  ];
}

const titled = (name, ...rest) => make("section", {}, make("h3", {}, name), ...rest);
const textOf = (text) => make("p", { class: "text" }, String(text));
const errorOf = (error) => [error.message, error.code && `(${error.code})`].filter(Boolean).join(" ");

function factsOf(take) {
  const { media, times = {}, price } = take;
  const billed = take.billed_tier;
  return {
    [t("State")]: t(STATES[take.state]),
    [t("Task")]: take.task_id,
    [t("Model")]: take.model,
    [t("Tier billed")]: billed && billed !== take.predicted_tier
      ? t("{billed}, not {predicted} as predicted", { billed, predicted: take.predicted_tier })
      : billed,
    [t("Tier predicted")]: billed ? null : take.predicted_tier,
    [t("Price")]: price && `${price.amount} ${price.currency} (${price.basis})`,
    [t("Length asked")]: take.seconds && t("{n} s", { n: take.seconds }),
    [t("What arrived")]: media && mediaOf(media),
    [t("Bought")]: times.submitted && clock(times.submitted),
    [t("Generated in")]: span(times.submitted, times.finished),
    [t("Downloaded in")]: span(times.finished, times.done),
    [t("File")]: take.file,
    [t("Earlier versions")]: take.versions?.length > 1
      ? take.versions.filter((one) => one.uid !== take.uid).map((one) => one.file).join("\n")
      : null,
  };
}

const span = (from, to) => (from && to ? lasting((new Date(to) - new Date(from)) / 1000) : null);

function mediaOf(media) {
  const size = media.width && `${media.width} × ${media.height}`;
  const seconds = media.seconds && t("{n} s", { n: Math.round(media.seconds * 100) / 100 });
  const rate = media.fps && t("{n} frames a second", { n: Math.round(media.fps * 100) / 100 });
  const labels = media.labels?.length && t("marked as made by AI ({labels})", { labels: media.labels.join(", ") });
  return [size, seconds, rate, t(SOUNDS[media.sound]), labels].filter(Boolean).join(t(", "));
}

function pairs(facts) {
  const known = Object.entries(facts).filter(([, value]) => value != null && value !== "");
  return make("dl", { class: "pairs" }, known.flatMap(([name, value]) =>
    [make("dt", {}, name), make("dd", { class: "text" }, String(value))]));
}

function changesOf(take) {
  const rows = take.changes.map((change) => make("tr", {},
    make("td", {}, change.field),
    make("td", {}, "old" in change ? make("del", {}, shown(change.old)) : ""),
    make("td", {}, "new" in change ? make("ins", {}, shown(change.new)) : ""),
    make("td", {}, change.where ?? "")));
  const heads = [t("Field"), t("Bought"), t("Now"), t("Line")].map((name) => make("th", { scope: "col" }, name));
  return make("table", { class: "changes" }, make("thead", {}, make("tr", {}, heads)), make("tbody", {}, rows));
}

const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function referencesOf(take) {
  return make("ul", { class: "stills" }, take.references.map((one) => {
    const still = film.data.stills[one.sha256];
    const name = one.file ?? one.address;
    const picture = still && one.kind === "image" ? make("img", { src: still, alt: name, loading: "lazy" }) : null;
    return make("li", {}, picture, linked(name));
  }));
}

/** An address as a link that tells the other host nothing of this page; any other text as text. */
function linked(name) {
  if (!/^https?:\/\//i.test(name)) return name;
  return make("a", { href: name, target: "_blank", rel: "noopener noreferrer" }, name);
}
