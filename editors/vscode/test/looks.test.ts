import assert from "node:assert/strict";
import { test } from "node:test";
import { look, type ServerStatus } from "../src/looks";

const ready: ServerStatus = {
  state: "ready",
  message: "nano is ready",
  model: "nano",
  silent: null,
  verdict: null,
  uri: null,
};
const judged: ServerStatus = {
  ...ready,
  message: "the suggestion compiles",
  verdict: "passed",
  uri: "file:///a.rs",
};

test("the server's words are the tooltip", () => {
  assert.deepEqual(look(ready, null), {
    text: "M31R",
    tooltip: "M31R: nano is ready\nClick for the menu",
  });
  const off = look({ ...ready, state: "off", message: "M31R is off: why" }, null, ["A hint"]);
  assert.deepEqual(off, {
    text: "$(circle-slash) M31R",
    tooltip: "M31R is off: why\nA hint\nClick for the menu",
  });
});

test("rustc's verdict shows beside the document that it is about", () => {
  assert.equal(look(judged, "file:///a.rs").text, "$(check) M31R");
  assert.equal(look({ ...judged, verdict: "failed" }, "file:///a.rs").text, "$(x) M31R");
  assert.equal(look({ ...judged, verdict: "unknown" }, "file:///a.rs").text, "M31R");
  assert.deepEqual(look(judged, "file:///b.rs"), look(ready, null));
});

test("trouble has a colour", () => {
  const failed = { ...ready, state: "failed", model: null } as const;
  assert.equal(look(failed, null).background, "statusBarItem.errorBackground");
  const missing = { state: "missing", message: "the server is not installed" } as const;
  assert.equal(look(missing, null).background, "statusBarItem.warningBackground");
  assert.match(look(missing, null).tooltip, /^M31R: the server is not installed/);
});
