// The menu behind the status bar item.

import * as vscode from "vscode";
import { inFront, type Status } from "./looks";
import { showsGhostText } from "./status";

interface Entry extends vscode.QuickPickItem {
  command: string;
  words?: unknown[];
}

export async function showMenu(status: Status): Promise<void> {
  const uri = vscode.window.activeTextEditor?.document.uri.toString() ?? null;
  const said = inFront(status, uri).message;
  const entries = [...ghostText(status), ...serving(status, said), ...trusted(), ...always];
  const options = { title: "M31R", placeHolder: said };
  const chosen = await vscode.window.showQuickPick(entries, options);
  if (chosen !== undefined) {
    await vscode.commands.executeCommand(chosen.command, ...(chosen.words ?? []));
  }
}

function ghostText(status: Status): Entry[] {
  const entries: Entry[] = [];
  if ("verdict" in status) {
    const off = status.state === "off";
    entries.push(
      {
        label: off ? "$(play) Switch ghost text on" : "$(circle-slash) Switch ghost text off",
        command: "m31r.toggleGhostText",
      },
      {
        label: "$(sparkle) Ask for ghost text now",
        command: "editor.action.inlineSuggest.trigger",
      },
    );
  }
  if (!showsGhostText()) {
    entries.push({
      label: "$(warning) VS Code shows no ghost text",
      description: "editor.inlineSuggest.enabled is off",
      command: "workbench.action.openSettings",
      words: ["editor.inlineSuggest.enabled"],
    });
  }
  return entries;
}

function serving(status: Status, said: string): Entry[] {
  if (!("verdict" in status)) return [];
  return [
    { label: "$(info) Status", description: said, command: "m31r.showStatus" },
    { label: "$(graph) Statistics", command: "m31r.showStatistics" },
    { label: "$(clear-all) Clear the caches", command: "m31r.forget" },
  ];
}

function trusted(): Entry[] {
  if (!vscode.workspace.isTrusted) {
    return [{ label: "$(shield) Trust this workspace", command: "workbench.trust.manage" }];
  }
  return [
    { label: "$(debug-restart) Restart the server", command: "m31r.restart" },
    { label: "$(cloud-download) Install or update the server", command: "m31r.install" },
    { label: "$(pulse) Run the doctor in a terminal", command: "m31r.doctor" },
  ];
}

const always: Entry[] = [
  { label: "$(output) Show the log", command: "m31r.showLog" },
  { label: "$(gear) Open the settings", command: "m31r.openSettings" },
  { label: "$(book) Open the walkthrough", command: "m31r.openWalkthrough" },
];
