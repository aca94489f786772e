// What the server tells of itself, in a dialog.

import * as vscode from "vscode";
import type { Report, Server } from "./server";

/** What it does, why it is silent, what it knows. */
export async function showStatus(server: Server): Promise<void> {
  const report = await server.execute<Report>("m31r.status");
  if (report === undefined) {
    void vscode.window.showInformationMessage(`M31R: ${server.status.message}`);
    return;
  }
  const { index, workspace } = report;
  const lines = [
    `state: ${report.state}`,
    `model: ${report.model ?? "none"}`,
    `the latest silence: ${report.silent ?? "none"}`,
    `server: m31r-lsp ${report.version}, ${server.find()?.command ?? "no longer there"}`,
    `workspace: ${workspace.join(", ") || "none"}`,
  ];
  if (index) {
    const reading = index.ready ? "" : ", still reading";
    lines.push(`index: ${index.files} files, ${index.items} items, ${index.names} names${reading}`);
  }
  await dialog(report.message, lines, "Show Log", "m31r.showLog");
}

/** How often its suggestions were taken since it started. */
export async function showStatistics(server: Server): Promise<void> {
  const report = await server.execute<Report>("m31r.status");
  if (report === undefined) return;
  const { shown, accepted, kept, characters } = report.statistics;
  const lines = [
    `shown: ${shown}`,
    `accepted: ${accepted}, ${characters} characters`,
    `still there when the file was saved: ${kept}`,
    "",
    "Counts by day lie in a file on this machine. They hold no code, and nothing sends them away.",
  ];
  await dialog("Since the server started", lines, "All Days", "m31r.showAllStatistics");
}

async function dialog(
  title: string,
  lines: string[],
  button: string,
  command: string,
): Promise<void> {
  const options = { modal: true, detail: lines.join("\n") };
  const chosen = await vscode.window.showInformationMessage(title, options, button);
  if (chosen !== undefined) await vscode.commands.executeCommand(command);
}
