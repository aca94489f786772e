// Starts m31r-lsp and keeps it informed of the settings; everything else is the protocol's work.

import { homedir } from "node:os";
import * as vscode from "vscode";
import {
  DidChangeConfigurationNotification,
  LanguageClient,
  type LanguageClientOptions,
  type ServerOptions,
  TransportKind,
} from "vscode-languageclient/node";
import { StatusBar } from "./status";

let client: LanguageClient | undefined;
let statusBar: StatusBar | undefined;
let stopped: Promise<void> = Promise.resolve();

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  context.subscriptions.push(
    vscode.commands.registerCommand("m31r.restart", restart),
    vscode.commands.registerCommand("m31r.showLog", () => client?.outputChannel.show()),
    vscode.workspace.onDidGrantWorkspaceTrust(restart),
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (event.affectsConfiguration("m31r.server")) await restart();
      else if (event.affectsConfiguration("m31r")) await sendSettings();
    }),
  );
  await restart();
}

export async function deactivate(): Promise<void> {
  const running = client;
  client = undefined;
  // A server that has died cannot be stopped, and need not be.
  await running?.dispose().catch(() => undefined);
  statusBar?.dispose();
}

/** One restart after the other, however fast they are asked for. */
function restart(): Promise<void> {
  stopped = stopped.then(async () => {
    await deactivate();
    if (vscode.workspace.isTrusted) await start();
  });
  return stopped;
}

async function start(): Promise<void> {
  const server = vscode.workspace.getConfiguration("m31r.server");
  const command = server.get("path", "m31r-lsp").replace(/^~(?=\/)/, homedir());
  const serverOptions: ServerOptions = {
    command,
    args: server.get<string[]>("arguments", []),
    transport: TransportKind.stdio,
  };
  const clientOptions: LanguageClientOptions = {
    documentSelector: [{ scheme: "file", language: "rust" }],
    initializationOptions: settings(),
    middleware: {
      workspace: {
        configuration: async (params, token, next) => {
          const ours = params.items.length === 1 && params.items[0]?.section === "m31r";
          return ours ? [settings()] : next(params, token);
        },
      },
    },
  };
  const starting = new LanguageClient("m31r", "M31R", serverOptions, clientOptions);
  client = starting;
  statusBar = new StatusBar(starting);
  starting.registerFeature(statusBar);
  try {
    await starting.start();
  } catch (error) {
    client = undefined;
    statusBar.dispose();
    const open = "Open settings";
    const message = `M31R: "${command}" did not start (${error instanceof Error ? error.message : error}).`;
    void vscode.window.showErrorMessage(message, open).then((chosen) => {
      if (chosen === open) {
        void vscode.commands.executeCommand("workbench.action.openSettings", "m31r.server.path");
      }
    });
  }
}

/** What the server reads, without the empty values. */
function settings(): Record<string, unknown> {
  const all = vscode.workspace.getConfiguration("m31r");
  return {
    trusted: vscode.workspace.isTrusted,
    ...given({ threads: all.get("threads") }),
    model: given(all.get("model", {})),
    completion: given(all.get("completion", {})),
    check: given(all.get("check", {})),
  };
}

function given(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value != null));
}

async function sendSettings(): Promise<void> {
  if (client?.isRunning()) {
    await client.sendNotification(DidChangeConfigurationNotification.type, {
      settings: { m31r: settings() },
    });
  }
}
