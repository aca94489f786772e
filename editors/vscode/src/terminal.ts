// Runs the server's program in a terminal, which stays open for the user to read.

import * as vscode from "vscode";
import type { Server } from "./server";
import { ofServer } from "./settings";

/** Run `m31r-lsp <command>` with the options and the model that the server gets. */
export async function runInTerminal(server: Server, command: string): Promise<void> {
  if (!vscode.workspace.isTrusted) {
    // A workspace can choose the toolchain that the doctor looks at.
    await vscode.commands.executeCommand("workbench.trust.manage");
    return;
  }
  const found = server.find();
  if (found === undefined) {
    await server.restart();
    return;
  }
  const model = vscode.workspace.getConfiguration("m31r").get<string | null>("model.path");
  const options = model ? ["--model", model] : [];
  const words = [...options, ...(ofServer<string[]>("arguments") ?? []), command];
  const { TaskScope } = vscode;
  const task = new vscode.Task(
    { type: "m31r", command },
    vscode.workspace.workspaceFolders ? TaskScope.Workspace : TaskScope.Global,
    `M31R: ${command}`,
    "M31R",
    new vscode.ProcessExecution(found.command, words),
  );
  task.presentationOptions = { reveal: vscode.TaskRevealKind.Always, echo: false, clear: true };
  await vscode.tasks.executeTask(task);
}
