// Two pictures of the page: node page_pictures.mjs CHROMIUM ADDRESS
import { chromium } from "playwright-core";

const [, , executablePath, address] = process.argv;
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage({
  locale: "en-US",
  viewport: { width: 1120, height: 640 },
  deviceScaleFactor: 1.5,
});

async function shoot(name) {
  await page.waitForFunction(() => {
    const seen = [...document.images].filter((one) => one.getBoundingClientRect().top < innerHeight);
    return seen.length > 0 && seen.every((one) => one.complete && one.naturalWidth > 0);
  });
  await page.screenshot({ path: `${name}.png` });
}

await page.goto(address);
await page.waitForSelector(".take");
await shoot("page");
await page.emulateMedia({ colorScheme: "dark" });
await page.click("#language");
await page.mouse.move(0, 0);
await page.evaluate(() => document.activeElement.blur());
await shoot("page-zh");
await browser.close();
