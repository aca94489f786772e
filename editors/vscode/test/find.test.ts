import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { findServer, inVenv, PROGRAM, program, withHome } from "../src/find";

const folder = mkdtempSync(path.join(tmpdir(), "m31r-find-"));
const bin = path.join(folder, "bin");
const venv = path.join(folder, "venv");
const onPath = make(path.join(bin, PROGRAM));
const named = make(path.join(folder, "elsewhere", "my-server"));
const env = { PATH: [path.join(folder, "empty"), bin].join(path.delimiter), HOME: folder };
const nowhere = { PATH: path.join(folder, "empty"), HOME: folder };

function make(file: string, mode = 0o755): string {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, "");
  chmodSync(file, mode);
  return file;
}

test("the setting comes first, a path or a name on PATH", () => {
  assert.deepEqual(findServer(named, venv, env), { command: named, from: "setting" });
  const home = `~${named.slice(folder.length)}`;
  assert.deepEqual(findServer(home, venv, env), { command: named, from: "setting" });
  assert.deepEqual(findServer(PROGRAM, venv, env), { command: onPath, from: "setting" });
});

test("a setting that names no program is not passed over", () => {
  assert.equal(findServer(path.join(folder, "no-such-server"), venv, env), undefined);
  assert.equal(findServer(bin, venv, env), undefined);
  assert.equal(findServer(make(path.join(folder, "plain"), 0o644), venv, env), undefined);
});

test("without a setting PATH comes before the venv", () => {
  assert.equal(findServer(null, venv, nowhere), undefined);
  const own = make(inVenv(venv, PROGRAM));
  assert.deepEqual(findServer("", venv, nowhere), { command: own, from: "venv" });
  assert.deepEqual(findServer(null, venv, env), { command: onPath, from: "path" });
});

test("a name alone is looked for on PATH only", () => {
  assert.equal(program(PROGRAM, env), onPath);
  assert.equal(program(PROGRAM, { PATH: "" }), undefined);
});

test("only a ~ at the start is the home folder", () => {
  assert.equal(withHome("~/a~b", env), `${folder}/a~b`);
  assert.equal(withHome("~", env), folder);
  assert.equal(withHome("a/~/b", env), "a/~/b");
  assert.equal(withHome("~other/b", env), "~other/b");
});
