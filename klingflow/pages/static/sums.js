// What the film has cost: by tier, by scene and by day.
"use strict";

function drawSums() {
  const { money, by_tier: byTier, by_scene: byScene, by_day: byDay } = film.data;
  const tiers = Object.entries(byTier).map(([name, sum]) => [name, sum.tasks, t("{n} s", { n: sum.seconds }), amounts(sum)]);
  const budget = money.budget ? t("Budget {budget}, left {left}", { budget: money.budget, left: money.left ?? "?" }) : "";
  byId("sums-told").replaceChildren(
    ...[budget ? make("p", {}, budget) : null,
      table(t("By tier"), [t("Tier"), t("Tasks"), t("Length"), t("Money")], tiers),
      table(t("By scene"), [t("Scene"), t("Outcome"), t("Purchases"), t("Money")], rowsOf(byScene, t("Without a scene"))),
      table(t("By day"), [t("Day"), t("Outcome"), t("Purchases"), t("Money")], rowsOf(byDay, "?"))].filter(Boolean));
}

const HEADINGS = {
  spent: "spent",
  in_doubt: "in doubt",
  at_cluster: "at the cluster, not yet known",
  failed: "failed, perhaps charged",
  abandoned: "abandoned",
  refunded: "refunded",
  not_charged: "not charged",
};

function rowsOf(sums, unnamed) {
  return sums.flatMap(({ name, shares }) => Object.entries(shares).map(([heading, sum]) =>
    [name || unnamed, t(HEADINGS[heading]), sum.purchases, amounts(sum)]));
}

function table(caption, heads, rows) {
  if (!rows.length) return null;
  // Words stand at the left, and whatever has a number at the right, below its name.
  const isFigure = (cell, at) => at > 0 && /\d|^\?$/.test(cell);
  const cells = (row) => row.map((cell, at) => make("td", { class: isFigure(cell, at) ? "figure" : "" }, String(cell)));
  return make("table", { class: "sums" }, make("caption", {}, caption),
    make("thead", {}, make("tr", {}, heads.map((head, at) => make("th", { scope: "col", class: isFigure(rows[0][at], at) ? "figure" : "" }, head)))),
    make("tbody", {}, rows.map((row) => make("tr", {}, cells(row)))));
}
