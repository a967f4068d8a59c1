// The chart of a night: for each purchase its create, its generation and its download on one axis
// of time. Purchases an hour apart belong to different nights.
"use strict";

const NIGHT_APART_MS = 3600_000;
const ROW = 16;
const LEFT = 150;
const WIDTH = 1100;
const SVG = "http://www.w3.org/2000/svg";

const PARTS = {
  create: "create",
  generate: "generation",
  download: "download",
  failed: "failed",
};
const BUSY = {
  limited: "the gateway was busy (429)",
};

const moment = (text) => (text ? new Date(text).valueOf() : NaN);

/** Purchases by night, the last first, each with its times in milliseconds. */
function nights() {
  const lives = film.data.takes.filter((take) => take.times?.intent).map((take) => {
    const { intent, submitted, finished, done, updated } = take.times;
    const times = [intent, submitted, finished, done].map(moment);
    const end = Math.max(...times.filter((at) => !Number.isNaN(at)), moment(updated) || 0);
    return { take, times, begin: times[0], end };
  }).sort((one, other) => one.begin - other.begin);
  const found = [];
  for (const life of lives) {
    const last = found.at(-1);
    if (last && life.begin - last.end < NIGHT_APART_MS) {
      last.lives.push(life);
      last.end = Math.max(last.end, life.end);
    } else found.push({ begin: life.begin, end: life.end, lives: [life] });
  }
  return found.reverse();
}

function drawNight(which = 0) {
  const all = nights();
  if (!all.length) return byId("night-told").replaceChildren(make("p", {}, t("Nothing was bought yet.")));
  const choice = make("select", { "aria-label": t("The night") },
    all.map((night, at) => make("option", { value: at, selected: at === which }, clock(night.begin))));
  choice.addEventListener("change", () => drawNight(Number(choice.value)));
  const night = all[which];
  byId("night-told").replaceChildren(
    make("p", {}, choice, " ", t("{n} takes in {time}", { n: night.lives.length, time: lasting((night.end - night.begin) / 1000) })),
    legend(), chart(night));
}

function svg(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function legend() {
  const names = { ...PARTS, ...BUSY };
  const patch = (kind) => svg("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" },
    svg("rect", { class: kind, width: 10, height: 10 }));
  return make("ul", { class: "legend" }, Object.entries(names).map(([kind, name]) => make("li", {}, patch(kind), t(name))));
}

function chart(night) {
  const long = Math.max(night.end - night.begin, 1000);
  const x = (at) => LEFT + ((at - night.begin) / long) * (WIDTH - LEFT - 10);
  const height = (night.lives.length + 2) * ROW;
  const parts = ticks(night, long, x, height);
  night.lives.forEach((life, row) => parts.push(...bars(life, row * ROW + ROW, x)));
  for (const mark of film.data.marks ?? []) {
    const at = moment(mark.at);
    if (at >= night.begin && at <= night.end) parts.push(svg("line", { class: "limited", x1: x(at), x2: x(at), y1: 0, y2: height }));
  }
  const label = t("{n} takes in {time}", { n: night.lives.length, time: lasting(long / 1000) });
  return svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label }, ...parts);
}

function bars({ take, times: [intent, submitted, finished, done], end }, y, x) {
  const name = svg("text", { x: 4, y: y + ROW - 5 }, take.key.length > 22 ? `${take.key.slice(0, 21)}…` : take.key);
  const bar = (kind, from, to) => (from <= to
    ? [svg("rect", { class: kind, x: x(from), y: y + 2, width: Math.max(1, x(to) - x(from)), height: ROW - 5 },
      svg("title", {}, `${take.key} · ${t(PARTS[kind])} · ${lasting((to - from) / 1000)}`))]
    : []);
  const failed = ["failed", "rejected", "abandoned"].includes(take.state);
  return [name,
    ...bar("create", intent, submitted || end),
    ...bar(failed ? "failed" : "generate", submitted, finished || end),
    ...(failed ? [] : bar("download", finished, done || end))];
}

/** Lines at whole minutes or hours, at most a dozen. */
function ticks(night, long, x, height) {
  const steps = [10, 30, 60, 300, 600, 1800, 3600, 7200, 21600, 86400].map((s) => s * 1000);
  const step = steps.find((one) => long / one <= 12) ?? long;
  const parts = [];
  for (let at = Math.ceil(night.begin / step) * step; at <= night.end; at += step) {
    const name = new Date(at).toLocaleTimeString(document.documentElement.lang, { timeStyle: step < 60_000 ? "medium" : "short" });
    parts.push(svg("line", { class: "tick", x1: x(at), x2: x(at), y1: 0, y2: height - ROW }));
    parts.push(svg("text", { class: "tick-name", x: x(at), y: height - 4, "text-anchor": x(at) > WIDTH - 45 ? "end" : "middle" }, name));
  }
  return parts;
}
