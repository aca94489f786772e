// Looks at a report as a reader would, with the keyboard: node browse.mjs '{"page": …, …}'
// Prints one JSON object of what was seen; anything that the page complains of ends it with status 1.

import { createRequire } from "node:module";
import path from "node:path";

const { browser, modules, profile, page: file, screenshot } = JSON.parse(process.argv[2]);
const { chromium } = createRequire(path.join(modules, "here.js"))("playwright-core");

const context = await chromium.launchPersistentContext(profile, {
  executablePath: browser,
  headless: true,
  viewport: { width: 1280, height: 900 },
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
});
const page = context.pages()[0];
const complaints = [];
const requests = [];
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("console", (message) => {
  if (message.type() === "error") complaints.push(message.text());
});
page.on("request", (request) => requests.push(request.url()));

const seen = {};
const selected = () => page.$eval("#list [aria-selected=true]", (row) => row.id);
const article = () => page.$eval("#task", (element) => element.innerText);
const shown = () => page.$$eval("#list li", (rows) => rows.filter((row) => row.offsetParent).length);

await page.goto(`file://${file}`);
seen.title = await page.title();
seen.charts = await page.$$eval("svg", (all) =>
  all.filter((each) => each.getBoundingClientRect().height > 20).length);
seen.all = await shown();
seen.count = await page.$eval("#count", (element) => element.textContent);
seen.first = await selected();
seen.scrolled = await page.evaluate(() => window.scrollY);

// Down twice, up once, to the end.
await page.focus("#list");
await page.keyboard.press("ArrowDown");
await page.keyboard.press("j");
await page.keyboard.press("ArrowUp");
seen.second = await selected();
await page.keyboard.press("End");
seen.last = await selected();
seen.article = await article();

// Search without the mouse, look at what is found, and see all again.
await page.keyboard.press("/");
await page.keyboard.type("valuevalue");
seen.searched = await shown();
await page.keyboard.press("Enter");
await page.keyboard.press("ArrowDown");
seen.focused = await page.evaluate(() => document.activeElement.id);
await page.keyboard.press("Escape");
seen.again = await shown();

// A filter by verdict.
await page.selectOption("#filters [name=verdict]", "exact");
seen.exact = await shown();
await page.click("#list li:visible >> nth=1");
seen.clicked = await article();
seen.marked = await page.$eval("#task mark", (mark) => {
  const pre = mark.closest("pre").getBoundingClientRect();
  const box = mark.getBoundingClientRect();
  return box.top >= pre.top - 1 && box.top <= pre.bottom;
});
await page.locator("#browser").scrollIntoViewIfNeeded();
await page.screenshot({ path: screenshot, fullPage: true });

seen.complaints = complaints;
seen.requests = requests.filter((url) => !url.startsWith("file:"));
console.log(JSON.stringify(seen));
await context.close();
process.exit(complaints.length ? 1 : 0);
