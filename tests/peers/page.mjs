// What a browser makes of the page: node page.mjs CHROMIUM ADDRESS REPORT FOLDER AXE
// Prints one line of JSON; pictures of the page go to FOLDER.
import { appendFileSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [, , browserPath, address, report, folder, axePath] = process.argv;
const home = new URL(address).origin;
const found = { errors: [], foreign: [], alerts: [] };
const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });

function heard(page) {
  page.on("pageerror", (error) => found.errors.push(String(error)));
  page.on("console", (said) => {
    if (said.type() === "error") found.errors.push(said.text());
  });
  page.on("dialog", (dialog) => {
    found.alerts.push(dialog.message());
    dialog.dismiss();
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(home)) found.foreign.push(request.url());
  });
}

const context = await browser.newContext({ locale: "en-US", viewport: { width: 1300, height: 850 } });
const page = await context.newPage();
heard(page);
const began = Date.now();
await page.goto(address);
await page.waitForSelector(".take");
found.first_paint_ms = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
found.all_drawn_ms = Date.now() - began;
found.takes = await page.locator("main .take").count();
found.address = page.url();
found.elements_of_texts = await page.locator("main script, main svg, main style, main a, [onerror], [onload]").count();
found.title = await page.title();

// What a frame costs the page's own thread while it scrolls from the top to the end, in CPU time:
// how many frames a second there are depends on what else the machine does.
const cost = await context.newCDPSession(page);
await cost.send("Performance.enable", { timeDomain: "threadTicks" });
const spent = async () => {
  const { metrics } = await cost.send("Performance.getMetrics");
  return metrics.find((one) => one.name === "TaskDuration").value * 1000;
};
const start = await spent();
await page.evaluate(() => {
  // What this machine is worth at this moment: so many steps of a sum, in the same CPU time.
  let sum = 0;
  for (let n = 0; n < 20_000_000; n += 1) sum = (sum * 31 + n) % 1_000_003;
  document.body.dataset.sum = sum;
});
found.sum_ms = await spent() - start;
const before = await spent();
const frames = await page.evaluate(() => new Promise((resolve) => {
  let count = 0;
  const step = () => {
    count += 1;
    scrollBy(0, 120);
    if (count < 240) requestAnimationFrame(step);
    else resolve(count);
  };
  requestAnimationFrame(step);
}));
found.frame_ms = (await spent() - before) / frames;
await page.evaluate(() => scrollTo(0, 0));
await page.waitForTimeout(500);
await page.screenshot({ path: `${folder}/light.png` });

// By keys alone: to the second card, enlarged, picked, closed; then a search.
await page.keyboard.press("ArrowRight");
await page.keyboard.press("ArrowRight");
found.focused = await page.evaluate(() => document.activeElement.dataset.key);
await page.keyboard.press("Enter");
await page.waitForSelector("#detail[open]");
found.links = await page.locator("#detail a").evaluateAll((all) => all.map((one) => one.href));
await page.screenshot({ path: `${folder}/detail.png` });
await page.keyboard.press("2");
await page.waitForFunction(() => document.querySelector('main .take[data-key="s0#2"]')?.classList.contains("picked"));
// Somebody edits the picks file while the page is open: their word is shown, and the page's stays.
appendFileSync(join(dirname(dirname(report)), "picks.jsonl"), '["s2","picked"]\n["s3","rejected"]\n');
await page.waitForFunction(() => document.querySelector('main .take[data-key="s3"]')?.classList.contains("rejected"));
found.edited = await page.locator("main .take").evaluateAll((all) => ["s0#2", "s2", "s3"].map((key) =>
  all.find((one) => one.dataset.key === key).className.replace(/ ?(take|chosen) ?/g, "")));
await page.keyboard.press("Escape");
await page.waitForFunction(() => document.activeElement.dataset.key);
found.focused_after = await page.evaluate(() => document.activeElement.dataset.key);
// A reply that comes after a newer one changes nothing.
const late = {};
const caught = new Promise((resolve) => { late.caught = resolve; });
await page.route("**/data", async (route) => {
  late.caught(await route.fetch());
  late.route = route;
}, { times: 1 });
const older = page.evaluate(() => refresh());
const response = await caught;
appendFileSync(join(dirname(dirname(report)), "picks.jsonl"), '["s4","picked"]\n');
await page.waitForFunction(() => document.querySelector('main .take[data-key="s4"]')?.classList.contains("picked"));
await late.route.fulfill({ response });
await older;
found.after_an_older_reply = await page.locator('main .take[data-key="s4"]').getAttribute("class");
// The dialog's end is told after it: by then somebody may be writing.
await page.keyboard.press("Enter");
await page.waitForSelector("#detail[open]");
await page.evaluate(() => new Promise((resolve) => {
  document.getElementById("detail").addEventListener("close", resolve);
  document.getElementById("detail").close();
  document.getElementById("q").focus();
}));
found.focused_writing = await page.evaluate(() => document.activeElement.id);
await page.evaluate(() => document.activeElement.blur());
await page.keyboard.press("/");
await page.keyboard.type("task_3");
found.searched = await page.locator("main .take").evaluateAll((all) => all.slice(0, 2).map((one) => one.dataset.key));
await page.keyboard.press("Escape");
await page.fill("#q", "");
for (const [name, key] of [["sums", "#show-sums"], ["night", "#show-night"], ["help", "#show-help"]]) {
  await page.click(key);
  await page.screenshot({ path: `${folder}/${name}.png` });
  await page.keyboard.press("Escape");
}
await page.emulateMedia({ colorScheme: "dark" });
await page.click("#language");
await page.screenshot({ path: `${folder}/dark-zh.png` });
await page.click("#language");
await page.setViewportSize({ width: 390, height: 800 });
await page.screenshot({ path: `${folder}/telephone.png` });
found.wider_than_telephone = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
await page.emulateMedia({ media: "print", colorScheme: "light" });
await page.pdf({ path: `${folder}/print.pdf` });

// Another tab has no session; the address that was used opens none.
const stranger = await context.newPage();
await stranger.goto(address);
await stranger.waitForFunction(() => document.getElementById("notice").textContent);
found.stranger_takes = await stranger.locator(".take").count();

// A report from disk has no buttons that write; it says the command.
const written = await context.newPage();
await written.goto(pathToFileURL(report).href);
await written.locator('main .take[data-key="s1"]').click();
await written.getByRole("button", { name: "Copy: reject" }).click();
await written.waitForFunction(() => document.getElementById("said").textContent);
found.copied = await written.locator("#said").textContent();

// axe needs a page that lets scripts in.
if (axePath) {
  await page.emulateMedia({ media: "screen" });
  await page.setViewportSize({ width: 1300, height: 850 });
  const axe = readFileSync(axePath, "utf8");
  const session = await context.newCDPSession(page);
  const run = async () => {
    await session.send("Runtime.evaluate", { expression: axe });
    const asked = { resultTypes: ["violations"] };
    const said = await page.evaluate((options) => globalThis.axe.run(document, options), asked);
    return said.violations.filter((one) => ["serious", "critical"].includes(one.impact))
      .map((one) => `${one.id}: ${one.nodes[0].html.slice(0, 200)} ${one.nodes[0].failureSummary}`);
  };
  await page.fill("#q", "s0");
  found.axe = await run();
  await page.emulateMedia({ media: "screen", colorScheme: "dark" });
  await page.locator("main .take").first().click();
  found.axe = found.axe.concat(await run());
}
await browser.close();
console.log(JSON.stringify(found));
