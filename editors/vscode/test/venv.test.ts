import assert from "node:assert/strict";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { run } from "../src/run";
import { choosePython, makeVenv, pythons } from "../src/venv";

const NODE = process.execPath;

test("the first Python that will do is chosen", async () => {
  const versions: Record<string, string> = {
    "python3.12": "3.12",
    python3: "3.14",
    python: "3.11",
  };
  const ask = async (words: string[]) => versions[words.join(" ")];
  assert.deepEqual(await choosePython(ask, pythons("linux")), ["python3.12"]);
  delete versions["python3.12"];
  assert.deepEqual(await choosePython(ask, pythons("linux")), ["python"]);
  delete versions.python;
  assert.equal(await choosePython(ask, pythons("linux")), undefined);
});

test("on Windows the launcher is asked first", () => {
  assert.deepEqual(pythons("win32")[0], ["py", "-3.13"]);
});

test("without a Python the user is told what was looked for", async () => {
  const PATH = process.env.PATH;
  process.env.PATH = "";
  try {
    const told = /^Error: no Python 3.11 to 3.13 was found \(looked for .*python3,/;
    await assert.rejects(making().venv, told);
  } finally {
    process.env.PATH = PATH;
  }
});

test("what is stopped leaves nothing behind", async () => {
  const stopped = new AbortController();
  const { venv, folder } = making(stopped, () => stopped.abort());
  await assert.rejects(venv, { name: "AbortError" });
  assert.equal(existsSync(folder), false);
});

test("a program's lines are logged, its last one is its error", async () => {
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  assert.equal(await run([NODE, "-p", "1"], { log }), "1");
  assert.deepEqual(lines, [`> ${NODE} -p 1`, "1"]);
  const fails = "console.log('why'); process.exit(3)";
  await assert.rejects(run([NODE, "-e", fails]), { message: "why" });
  const message = `${NODE} ended with status 3`;
  await assert.rejects(run([NODE, "-e", "process.exit(3)"]), { message });
  await assert.rejects(run(["no-such-program"]), { code: "ENOENT" });
});

test("a program is stopped with what it has started", async () => {
  const parent = `
    const { spawn } = require("node:child_process");
    spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "inherit" });
    console.log("up");
  `;
  const stopped = new AbortController();
  const log = (line: string) => line === "up" && stopped.abort();
  // The pipes close only when both have ended.
  await assert.rejects(run([NODE, "-e", parent], { log, signal: stopped.signal }), {
    name: "AbortError",
  });
});

function making(stopped = new AbortController(), atStep?: () => void) {
  const folder = path.join(mkdtempSync(path.join(tmpdir(), "m31r-venv-")), "server");
  const report = (step: string) => step.startsWith("making") && atStep?.();
  const { signal } = stopped;
  const venv = makeVenv({ venv: folder, package: "none", log() {}, report, signal });
  return { venv, folder };
}
