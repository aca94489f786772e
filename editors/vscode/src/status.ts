// What rustc says about the ghost text that is shown, in the status bar.

import * as vscode from "vscode";
import type { BaseLanguageClient, ClientCapabilities, StaticFeature } from "vscode-languageclient";

/** What the server says with `m31r/status`. */
interface Status {
  state: "ready" | "checking";
  verdict: "passed" | "failed" | "unknown" | null;
  uri: string;
}

const looks = {
  plain: { text: "M31R", tooltip: "M31R is ready" },
  checking: { text: "$(loading~spin) M31R", tooltip: "M31R: rustc is checking the suggestion" },
  passed: { text: "$(check) M31R", tooltip: "M31R: the suggestion compiles" },
  failed: {
    text: "$(x) M31R",
    tooltip: "M31R: the suggestion does not compile and is not made again",
  },
};

export class StatusBar implements StaticFeature, vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem(
    "m31r.status",
    vscode.StatusBarAlignment.Right,
  );

  constructor(private readonly client: BaseLanguageClient) {
    this.item.name = "M31R";
    this.item.command = "m31r.showLog";
  }

  fillClientCapabilities(capabilities: ClientCapabilities): void {
    const experimental = (capabilities.experimental ?? {}) as Record<string, unknown>;
    capabilities.experimental = { ...experimental, m31r: { status: true } };
  }

  initialize(): void {
    this.client.onNotification("m31r/status", (status: Status) => this.show(status));
    this.show({ state: "ready", verdict: null, uri: "" });
    this.item.show();
  }

  getState(): { kind: "static" } {
    return { kind: "static" };
  }

  clear(): void {
    this.item.hide();
  }

  dispose(): void {
    this.item.dispose();
  }

  private show({ state, verdict }: Status): void {
    const said = verdict === "passed" || verdict === "failed" ? verdict : "plain";
    Object.assign(this.item, looks[state === "checking" ? "checking" : said]);
  }
}
