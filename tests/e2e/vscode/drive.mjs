// Plays steps in a real VS Code, as a user would: node drive.mjs '{"url": …}', then a step a line on
// stdin, such as ["type", "fn main"]. Prints a line of JSON for each, with an "error" and a screenshot
// where it failed.

import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline";

const { browser, modules, profile, url, screenshots } = JSON.parse(process.argv[2]);
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
const TOAST = ".notifications-toasts .notification-list-item";
const OURS = ".statusbar-item:has-text('M31R')";
const ROW = ".quick-input-list .monaco-list-row";
const DIALOG = ".monaco-dialog-box";

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
  /** Start with `file` open and the cursor at `line` and `column`, both from 1. */
  async open(file, line, column) {
    const { host } = new URL(url);
    const where = `vscode-remote://${host}${file}:${line}:${column}`;
    const payload = JSON.stringify([["openFile", where], ["gotoLineMode", "true"]]);
    await page.goto(`${url}&payload=${encodeURIComponent(payload)}`);
    await visible(`.tab.active:has-text("${path.basename(file)}")`, 60);
    await visible(`.statusbar-item:has-text("Ln ${line}, Col ${column}")`, 60);
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
  async shows(selector, seconds) {
    await visible(selector, seconds);
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
  /** Wait until what our entry of the status bar says has `text` in it, and return all of it. */
  async says(text, seconds) {
    const label = `${OURS} [aria-label*="${text}"]`;
    return (await visible(label, seconds)).getAttribute("aria-label");
  },
  /** Choose `entry` in the menu behind our entry of the status bar; return all that it offers. */
  async menu(entry) {
    await page.click(`${OURS} a`);
    await visible(`${ROW}:has-text("${entry}")`, 10);
    const offered = await all(ROW);
    await page.click(`${ROW}:has-text("${entry}")`);
    await page.waitForSelector(ROW, { state: "hidden", timeout: 10000 });
    return offered;
  },
  /** Run a command of the palette by its title. */
  async command(title) {
    await ask("F1", title, `${ROW}:has-text("${title}")`, ".monaco-workbench");
  },
  /** Wait for a message with `text` and return what its buttons say. */
  async message(text, seconds) {
    const toast = page.locator(TOAST, { hasText: text }).first();
    await toast.waitFor({ timeout: seconds * 1000 });
    return toast.locator(".monaco-button").allTextContents();
  },
  /** Wait for a dialog, return its text and close it. */
  async dialog(seconds) {
    const text = await (await visible(DIALOG, seconds)).innerText();
    await page.keyboard.press("Escape");
    await page.waitForSelector(DIALOG, { state: "detached", timeout: 10000 });
    return text;
  },
  /** Wait until a terminal shows `text`. */
  async terminal(text, seconds) {
    const rows = page.locator(".xterm-rows", { hasText: text }).first();
    await rows.waitFor({ timeout: seconds * 1000 });
    return rows.innerText();
  },
  async absent(file) {
    if (fs.existsSync(file)) throw new Error(`${file} exists`);
  },
  async save() {
    await page.keyboard.press("Control+S");
    await page.waitForSelector(".tab.dirty", { state: "detached", timeout: 10000 });
  },
  /** Of everything, or of the text of the editor from pixel `top` to pixel `bottom`. */
  async screenshot(name, top, bottom) {
    const options = { path: path.join(screenshots, `${name}.png`) };
    if (bottom) {
      const { x, y } = await (await visible(".editor-instance", 10)).boundingBox();
      options.clip = { x, y: y + top, width: 720, height: bottom - top };
    }
    await page.screenshot(options);
  },
};

for await (const step of createInterface({ input: process.stdin })) {
  const [name, ...rest] = JSON.parse(step);
  const started = Date.now();
  const line = { step: [name, ...rest].join(" ") };
  try {
    line.answer = await play[name](...rest);
  } catch (error) {
    line.error = String(error).split("\n")[0];
    await play.screenshot("failure").catch(() => null);
  }
  line.seconds = (Date.now() - started) / 1000;
  console.log(JSON.stringify(line));
}
await context.close();
process.exit();
