// Plays a list of steps in a real VS Code, as a user would: node drive.mjs '{"url": …, "steps": […]}'
// Prints a line of JSON for each step; a step that fails ends it with status 1 and a screenshot.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const { browser, modules, profile, url, screenshots, steps } = JSON.parse(process.argv[2]);
const { chromium } = createRequire(path.join(modules, "here.js"))("playwright-core");

const options = {
  executablePath: browser,
  headless: true,
  viewport: { width: 1280, height: 800 },
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update"],
};
const context = await chromium.launchPersistentContext(profile, options);
const page = context.pages()[0];
const GHOST = ".ghost-text-decoration, .ghost-text";
const LIGHTBULB = ".lightBulbWidget, .glyph-margin-widgets [class*=gutter-lightbulb]";
const ACTIONS = ".action-widget .monaco-list-row.action";

const all = (selector) =>
  page.$$eval(selector, (found) => found.map((each) => each.textContent.replace(/\u00a0/g, " ")));

const visible = (selector, seconds) =>
  page.waitForSelector(selector, { timeout: seconds * 1000, state: "visible" });

/** Press `key` and return the titles in the menu, none when VS Code says that there are none. */
async function menu(key, seconds) {
  await page.keyboard.press(key);
  const answer = page.locator(ACTIONS).or(page.locator(".monaco-editor-overlaymessage")).first();
  await answer.waitFor({ timeout: seconds * 1000 });
  return all(ACTIONS);
}

/** The titles in the menu of code actions, once one begins with `title`. */
async function menuWith(title, key, seconds) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    // Before the server has started the key does nothing.
    const titles = await menu(key, 12).catch(() => []);
    if (titles.some((each) => each.startsWith(title))) return titles;
    if (Date.now() > end) throw new Error(`no action "${title}" among ${JSON.stringify(titles)}`);
    await page.keyboard.press("Escape");
    await page.waitForTimeout(300);
  }
}

/** Type into the box that `key` opens until `done` shows; what takes the focus closes the box. */
async function ask(key, text, ready, done) {
  for (let left = 3; ; left--) {
    try {
      await page.keyboard.press(key);
      await visible(".quick-input-widget input", 10);
      await page.keyboard.type(text);
      await visible(ready, 10);
      await page.keyboard.press("Enter");
      return await visible(done, 10);
    } catch (error) {
      if (!left) throw error;
      await page.keyboard.press("Escape");
    }
  }
}

const play = {
  async workbench() {
    await page.goto(url);
    await visible(".monaco-workbench", 60);
  },
  /** Open `file` with the cursor at `line` and `column`, both from 1. */
  async open(file, line, column) {
    const row = `.quick-input-list .monaco-list-row:has-text("${file}")`;
    await ask("Control+P", file, row, `.tab.active:has-text("${file}")`);
    await page.click(".editor-instance .view-lines");
    await play.go(line, column);
  },
  async go(line, column) {
    const position = `.statusbar-item:has-text("Ln ${line}, Col ${column}")`;
    await ask("Control+G", `${line}:${column}`, ".quick-input-widget input", position);
  },
  /** Wait for an entry of the status bar with `text` and return all of them. */
  async status(text, seconds) {
    await visible(`.statusbar-item:has-text("${text}")`, seconds);
    return all(".statusbar-item");
  },
  async type(text) {
    await page.keyboard.type(text, { delay: 40 });
  },
  async press(key) {
    await page.keyboard.press(key);
  },
  async ghost(seconds) {
    await visible(GHOST, seconds);
    return (await all(GHOST)).join("");
  },
  async error(seconds) {
    await visible(".squiggly-error", seconds);
  },
  async gone(selector, seconds) {
    await page.waitForSelector(selector, { state: "detached", timeout: seconds * 1000 });
  },
  /** Wait for the lightbulb, moving the cursor to and fro: VS Code asks when it moves. */
  async lightbulb(seconds) {
    const end = Date.now() + seconds * 1000;
    for (let key = "ArrowRight"; ; key = key === "ArrowRight" ? "ArrowLeft" : "ArrowRight") {
      await page.keyboard.press(key);
      const left = Math.max(0, end - Date.now()) / 1000;
      if (await visible(LIGHTBULB, Math.min(2, left)).catch(() => null)) return;
      if (!left) throw new Error("no lightbulb");
    }
  },
  /** Open the menu of quick fixes, wait for one that begins with `title`, return all titles. */
  async quickfixes(title, seconds) {
    return menuWith(title, "Control+.", seconds);
  },
  /** Take the first action of the open menu that begins with `title`. */
  async take(title) {
    await page.click(`${ACTIONS}:has-text("${title}") >> nth=0`);
    await page.waitForSelector(ACTIONS, { state: "hidden", timeout: 10000 });
    await visible(".tab.dirty", 10);
  },
  async click(selector, seconds) {
    await page.click(selector, { timeout: seconds * 1000 });
  },
  async absent(file) {
    if (fs.existsSync(file)) throw new Error(`${file} exists`);
  },
  async save() {
    await page.keyboard.press("Control+S");
    await page.waitForSelector(".tab.dirty", { state: "detached", timeout: 10000 });
  },
  async screenshot(name) {
    await page.screenshot({ path: path.join(screenshots, `${name}.png`) });
  },
};

let status = 0;
for (const [name, ...rest] of steps) {
  const started = Date.now();
  const line = { step: [name, ...rest].join(" ") };
  try {
    line.answer = await play[name](...rest);
  } catch (error) {
    line.error = String(error).split("\n")[0];
    await play.screenshot("failure").catch(() => null);
    status = 1;
  }
  line.seconds = (Date.now() - started) / 1000;
  console.log(JSON.stringify(line));
  if (status) break;
}
await context.close();
process.exit(status);
