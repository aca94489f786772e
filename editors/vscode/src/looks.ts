// What the status bar shows, as text.

/** What the server says with `m31r/status` (docs/protocol.md). */
export interface ServerStatus {
  state: "off" | "loading" | "failed" | "ready" | "thinking" | "checking";
  message: string;
  model: string | null;
  silent: string | null;
  verdict: "passed" | "failed" | "unknown" | null;
  uri: string | null;
}

/** What is known without it. */
export interface OwnStatus {
  state: "untrusted" | "missing" | "installing" | "starting" | "waiting" | "ended" | "stopped";
  message: string;
}

export type Status = ServerStatus | OwnStatus;

export interface Look {
  text: string;
  tooltip: string;
  /** The name of a colour of the status bar's. */
  background?: "statusBarItem.errorBackground" | "statusBarItem.warningBackground";
}

const BUSY = "$(loading~spin)";
const ICONS: Partial<Record<Status["state"], string>> = {
  off: "$(circle-slash)",
  loading: BUSY,
  failed: "$(error)",
  thinking: BUSY,
  checking: BUSY,
  untrusted: "$(shield)",
  missing: "$(warning)",
  installing: BUSY,
  starting: BUSY,
  waiting: BUSY,
  ended: "$(error)",
};
const VERDICTS = { passed: "$(check)", failed: "$(x)", unknown: "" };

/** How `status` looks while the document `uri` is in front. */
export function look(status: Status, uri: string | null, hints: readonly string[] = []): Look {
  const about = inFront(status, uri);
  const icon =
    "verdict" in about && about.verdict !== null ? VERDICTS[about.verdict] : ICONS[about.state];
  const said = about.message.startsWith("M31R") ? about.message : `M31R: ${about.message}`;
  const tooltip = [said, ...hints, "Click for the menu"].join("\n");
  const text = icon ? `${icon} M31R` : "M31R";
  if (about.state === "failed" || about.state === "ended") {
    return { text, tooltip, background: "statusBarItem.errorBackground" };
  }
  if (about.state === "missing") {
    return { text, tooltip, background: "statusBarItem.warningBackground" };
  }
  return { text, tooltip };
}

/** `status` without what it says of a document that is not in front. */
export function inFront(status: Status, uri: string | null): Status {
  if (!("uri" in status) || status.uri === null || status.uri === uri) return status;
  if (status.state === "off" || status.state === "loading" || status.state === "failed") {
    return status;
  }
  const message = `${status.model} is ready`;
  return { ...status, state: "ready", message, silent: null, verdict: null, uri: null };
}
