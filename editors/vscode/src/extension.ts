// Puts the parts together: the server, the status bar, the commands.

import path from "node:path";
import * as vscode from "vscode";
import { install } from "./install";
import { showMenu } from "./menu";
import { showStatistics, showStatus } from "./reports";
import { Server } from "./server";
import { createStatusBar } from "./status";
import { runInTerminal } from "./terminal";
import { openWalkthrough } from "./walkthrough";

let server: Server | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel("M31R", { log: true });
  const storage = context.globalStorageUri.fsPath;
  const own = new Server(path.join(storage, "server"), log);
  server = own;
  // The server's own commands, m31r.toggle and its like, are registered by its client.
  const commands: Record<string, () => unknown> = {
    "m31r.menu": () => showMenu(own.status),
    "m31r.toggleGhostText": () => own.execute("m31r.toggle"),
    "m31r.forget": () => own.execute("m31r.clearCache"),
    "m31r.showStatus": () => showStatus(own),
    "m31r.showStatistics": () => showStatistics(own),
    "m31r.showAllStatistics": () => runInTerminal(own, "stats"),
    "m31r.doctor": () => runInTerminal(own, "doctor"),
    "m31r.restart": () => own.restart(),
    "m31r.install": () => install(own, log),
    "m31r.showLog": () => log.show(),
    "m31r.openSettings": () => openSettings(context.extension.id),
    "m31r.openWalkthrough": () => openWalkthrough(context.extension.id),
  };
  context.subscriptions.push(
    log,
    own,
    createStatusBar(own),
    ...Object.entries(commands).map(([id, run]) => vscode.commands.registerCommand(id, run)),
    vscode.workspace.onDidGrantWorkspaceTrust(() => own.restart()),
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (event.affectsConfiguration("m31r")) await own.reconfigure();
    }),
  );
  await own.restart();
}

export async function deactivate(): Promise<void> {
  await server?.stop();
}

function openSettings(id: string): Thenable<unknown> {
  return vscode.commands.executeCommand("workbench.action.openSettings", `@ext:${id}`);
}
