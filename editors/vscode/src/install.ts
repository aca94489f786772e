// Installs a server of the extension's own, when the user asks for it.

import * as vscode from "vscode";
import { tellNotInstalled } from "./messages";
import type { Server } from "./server";
import { ofServer } from "./settings";
import { makeVenv } from "./venv";

/** Ask what to install: a name that an index gives to anybody is nothing to guess. */
function choose(): Thenable<string | undefined> {
  return vscode.window.showInputBox({
    title: "M31R: Install the server",
    prompt: "The folder of a clone of M31R, or a wheel of it",
    placeHolder: "~/m31r",
    ignoreFocusOut: true,
  });
}

/** Make the venv, replacing an older one, and start what is in it. */
export async function install(server: Server, log: vscode.LogOutputChannel): Promise<void> {
  const wanted = ofServer<string>("package") || (await choose());
  if (!wanted || server.status.state === "installing") return;
  await server.stop({ state: "installing", message: "the server is being installed" });
  const where = { location: vscode.ProgressLocation.Notification, cancellable: true };
  const problem = await vscode.window.withProgress(
    { ...where, title: "M31R" },
    async (progress, token) => {
      const stopped = new AbortController();
      token.onCancellationRequested(() => stopped.abort());
      try {
        await makeVenv({
          venv: server.venv,
          package: wanted,
          log: (line) => log.info(line),
          report: (message) => progress.report({ message }),
          signal: stopped.signal,
        });
        return undefined;
      } catch (error) {
        if (stopped.signal.aborted) return undefined;
        return error instanceof Error ? error.message : String(error);
      }
    },
  );
  if (problem !== undefined) {
    log.error(problem);
    void tellNotInstalled(problem);
  }
  const found = server.find();
  if (problem === undefined && found !== undefined && found.from !== "venv") {
    const reason = found.from === "path" ? "it is on PATH" : "m31r.server.path names it";
    void vscode.window.showInformationMessage(
      `M31R: ${found.command} is used all the same: ${reason}.`,
    );
  }
  await server.restart();
}
