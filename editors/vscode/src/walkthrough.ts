// Ticks off the steps of the walkthrough.

import * as vscode from "vscode";

type Step = "server" | "ghost" | "fix";

const done = new Set<Step>();

export function tick(step: Step): void {
  done.add(step);
  void set(step, true);
}

/** Show the walkthrough of the extension `id`. */
export async function openWalkthrough(id: string): Promise<void> {
  // What holds already when VS Code reads a walkthrough for the first time is not ticked.
  await Promise.all([...done].map((step) => set(step, false)));
  const open = "workbench.action.openWalkthrough";
  await vscode.commands.executeCommand(open, `${id}#m31r.start`, false);
  await Promise.all([...done].map((step) => set(step, true)));
}

function set(step: Step, to: boolean): Thenable<unknown> {
  return vscode.commands.executeCommand("setContext", `m31r.done.${step}`, to);
}
