// The status bar item.

import * as vscode from "vscode";
import { look } from "./looks";
import type { Server } from "./server";

/** Show what `server` says about the document in front. */
export function createStatusBar(server: Server): vscode.Disposable {
  const item = vscode.window.createStatusBarItem("m31r.status", vscode.StatusBarAlignment.Right);
  item.name = "M31R";
  item.command = "m31r.menu";
  const update = (): void => {
    const uri = vscode.window.activeTextEditor?.document.uri.toString() ?? null;
    const { text, tooltip, background } = look(server.status, uri, hints());
    Object.assign(item, { text, tooltip });
    item.backgroundColor = background && new vscode.ThemeColor(background);
  };
  update();
  item.show();
  return vscode.Disposable.from(
    item,
    server.onStatus(update),
    vscode.window.onDidChangeActiveTextEditor(update),
    vscode.workspace.onDidChangeConfiguration(update),
  );
}

/** Whether VS Code shows ghost text at all. */
export function showsGhostText(): boolean {
  const editor = vscode.window.activeTextEditor?.document;
  return vscode.workspace.getConfiguration("editor", editor).get("inlineSuggest.enabled", true);
}

function hints(): string[] {
  if (showsGhostText()) return [];
  return ["VS Code shows no ghost text: editor.inlineSuggest.enabled is off"];
}
