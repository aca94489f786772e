// What the user is told when there is no server, and what can be done about it.

import * as vscode from "vscode";

const OPEN = { settings: "Open Settings", walkthrough: "Walkthrough", log: "Show Log" };
const COMMANDS: Record<string, string> = {
  Install: "m31r.install",
  Restart: "m31r.restart",
  [OPEN.settings]: "m31r.openSettings",
  [OPEN.walkthrough]: "m31r.openWalkthrough",
  [OPEN.log]: "m31r.showLog",
};

/** There is no server, at the place that the settings name or anywhere. */
export function tellMissing(named: string | null | undefined): Promise<void> {
  return named
    ? tell(`there is no server at ${named}, which m31r.server.path names.`, [
        OPEN.settings,
        OPEN.walkthrough,
      ])
    : tell("the server m31r-lsp is not on PATH. The extension can install one of its own.", [
        "Install",
        OPEN.settings,
        OPEN.walkthrough,
      ]);
}

export function tellNotStarted(why: string): Promise<void> {
  return tell(why, ["Install", OPEN.settings, OPEN.log]);
}

export function tellEnded(): Promise<void> {
  return tell("the server ended again and again, and is left alone now.", ["Restart", OPEN.log]);
}

export function tellNotInstalled(why: string): Promise<void> {
  return tell(`the server was not installed: ${why}`, [OPEN.log, OPEN.settings]);
}

async function tell(message: string, buttons: string[]): Promise<void> {
  const chosen = await vscode.window.showErrorMessage(`M31R: ${message}`, ...buttons);
  const command = chosen === undefined ? undefined : COMMANDS[chosen];
  if (command !== undefined) await vscode.commands.executeCommand(command);
}
