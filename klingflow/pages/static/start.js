// What every other script stands on: the page's state, its words, and elements made from values.
// Texts of the film reach the page as text nodes alone, whatever they hold.
"use strict";

const film = {
  data: null, // what `data` of the server, or data.js of a report, says
  shown: [], // the takes that pass the filters, in order
  chosen: "", // the key of the take that the keys act on
};

const STATES = {
  new: "not bought",
  intent: "buying",
  submitted: "running",
  succeeded: "downloading",
  done: "done",
  rejected: "refused",
  failed: "failed",
  in_doubt: "in doubt",
  parked: "parked",
  abandoned: "abandoned",
};
const SOUNDS = {
  none: "without sound",
  silent: "silent throughout",
  heard: "with sound",
};
const REMARKS = {
  unreadable: "cannot be played",
  no_picture: "has no picture",
  damaged: "damaged in parts",
  black: "black throughout",
  frozen: "frozen throughout",
  no_sound: "has no sound, and sound was bought",
  silent: "silent throughout, and sound was bought",
  shorter: "{got} s long, and {bought} s were bought",
  smaller: "{got}, and {bought} was bought",
  other_ratio: "{got}, and {bought} was bought",
};
const PICKS = {
  open: "open",
  picked: "picked",
  rejected: "rejected",
  disputed: "disputed",
};

const remembered = {
  get(name) {
    try { return localStorage.getItem(`klingflow-${name}`); } catch { return null; }
  },
  set(name, value) {
    try { localStorage.setItem(`klingflow-${name}`, value); } catch { /* then it is asked again */ }
  },
};

let language = remembered.get("language") || (navigator.language.startsWith("zh") ? "zh" : "en");

/** A sentence of the page in the reader's language; {names} in it are replaced by values. */
function t(text, values = {}) {
  const said = language === "zh" ? CHINESE[text] ?? text : text;
  return said.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** An element with attributes and children; a text becomes a text node. */
function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child != null && child !== ""));
  return made;
}

const byId = (id) => document.getElementById(id);

/** Put the words of the reader's language into what page.html holds. */
function translate() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const one of document.querySelectorAll("[data-t]")) one.textContent = t(one.dataset.t);
  byId("language").textContent = language === "zh" ? "English" : "中文";
  byId("language").lang = language === "zh" ? "en" : "zh-CN";
}

/** A length of time for people. */
function lasting(seconds) {
  if (seconds < 60) return t("{n} s", { n: Math.round(seconds) });
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return t("{n} min {s} s", { n: minutes, s: Math.round(seconds % 60) });
  return t("{h} h {n} min", { h: Math.floor(minutes / 60), n: minutes % 60 });
}

function clock(text) {
  const at = new Date(text);
  const form = { dateStyle: "medium", timeStyle: "medium" };
  return Number.isNaN(at.valueOf()) ? text : at.toLocaleString(document.documentElement.lang, form);
}

/** Sums by currency, and how many purchases have no known price. */
function amounts(sum) {
  const known = Object.entries(sum.amounts).map(([currency, amount]) => `${amount} ${currency}`);
  if (sum.unpriced) known.push(t("{n} without a price", { n: sum.unpriced }));
  return known.join(" + ") || "0";
}

/** What a person types to do `verb` with a take, as a POSIX shell reads it. The number is in it for
    the first take, too: without one, all takes of the shot are meant. */
function command(verb, take) {
  const key = `${take.id}#${take.take}`.replaceAll("'", `'\\''`);
  return `klingflow ${verb} ${film.data.command} '${key}'`;
}

const takesOf = (id) => film.data.takes.filter((take) => take.id === id && !take.gone);
const takeCalled = (key) => film.data.takes.find((take) => take.key === key && !take.gone);
