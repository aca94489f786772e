// Plays a list of steps in a real VS Code, as a user would: node drive.mjs '{"url": …, "steps": […]}'
// Prints a line of JSON for each step; a step that fails ends it with status 1 and a screenshot.

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
const ACTIONS = ".action-widget .monaco-list-row.action";

const all = (selector) =>
  page.$$eval(selector, (found) => found.map((each) => each.textContent.replace(/\u00a0/g, " ")));

const visible = (selector, seconds) =>
  page.waitForSelector(selector, { timeout: seconds * 1000, state: "visible" });

/** Press `key` and return the titles in the menu, none when VS Code says that there are none. */
async function menu(key, seconds) {
  await page.keyboard.press(key);
  const answer = page.locator(ACTIONS).or(page.locator(".monaco-editor-overlaymessage")).first();
  await answer.waitFor({ timeout: Math.max(seconds, 1) * 1000 });
  return all(ACTIONS);
}

/** The titles in the menu of code actions, once one begins with `title`. */
async function menuWith(title, key, seconds) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const titles = await menu(key, (end - Date.now()) / 1000);
    if (titles.some((each) => each.startsWith(title))) return titles;
    if (Date.now() > end) throw new Error(`no action "${title}" among ${JSON.stringify(titles)}`);
    await page.keyboard.press("Escape");
    await page.waitForTimeout(300);
  }
}

const play = {
  /** Open the folder; in a workspace that is not trusted yet answer the question with `trust`. */
  async workbench(trust) {
    await page.goto(url);
    await visible(".monaco-workbench", 60);
    if (trust === undefined) return;
    await page.click(`.monaco-dialog-box .monaco-button:has-text("${trust}")`, { timeout: 20000 });
    await page.waitForSelector(".monaco-dialog-box", { state: "detached" });
  },
  /** Open `file` with the cursor at `line` and `column`, both from 1. */
  async open(file, line, column) {
    await page.keyboard.press("Control+P");
    await visible(".quick-input-widget input", 20);
    await page.keyboard.type(file);
    await visible(`.quick-input-list .monaco-list-row:has-text("${file}")`, 20);
    await page.keyboard.press("Enter");
    await visible(`.tab.active:has-text("${file}")`, 20);
    await page.click(".editor-instance .view-lines");
    await play.go(line, column);
  },
  async go(line, column) {
    await page.keyboard.press("Control+G");
    await visible(".quick-input-widget input", 20);
    await page.keyboard.type(`${line}:${column}`);
    await page.keyboard.press("Enter");
    await visible(`.statusbar-item:has-text("Ln ${line}, Col ${column}")`, 10);
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
  async lightbulb(seconds) {
    await visible(".lightBulbWidget, [class*=lightbulb].codicon", seconds);
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
  /** Run a command of the palette by the words that it shows there. */
  async command(words) {
    await page.keyboard.press("F1");
    await visible(".quick-input-widget input", 20);
    await page.keyboard.type(words);
    await visible(`.quick-input-list .monaco-list-row:has-text("${words}")`, 20);
    await page.keyboard.press("Enter");
  },
  async click(selector, seconds) {
    await page.click(selector, { timeout: seconds * 1000 });
  },
  /** Open the menu of quick fixes once, return the titles in it and close it. */
  async offered(seconds) {
    const titles = await menu("Control+.", seconds);
    await page.keyboard.press("Escape");
    return titles;
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
