// One run of the server, as vscode-languageclient sees it.

import type { LogOutputChannel } from "vscode";
import {
  CloseAction,
  type ClientCapabilities,
  DidChangeConfigurationNotification,
  ErrorAction,
  LanguageClient,
  type LanguageClientOptions,
  type MessageTransports,
  type StaticFeature,
  TransportKind,
} from "vscode-languageclient/node";
import type { ServerStatus } from "./looks";
import { settings } from "./settings";
import { tick } from "./walkthrough";

export interface Events {
  status: (status: ServerStatus) => void;
  closed: () => void;
}

// How long a server may take to answer at all before it is killed.
const PATIENCE_MS = 5000;

export class Client extends LanguageClient {
  /** Whether the process could be started at all. */
  spawned = false;
  private beginning: Promise<void> | undefined;

  constructor(command: string, args: string[], log: LogOutputChannel, events: Events) {
    const server = { command, args, transport: TransportKind.stdio };
    super("m31r", "M31R", server, options(log, events.closed));
    this.registerFeature(announcesStatus);
    this.onNotification("m31r/status", events.status);
  }

  begin(): Promise<void> {
    this.beginning = this.start();
    return this.beginning;
  }

  /** Have it gone, in whatever state it is. */
  async end(): Promise<void> {
    // In the middle of its start a client cannot be stopped, and what it registers stays.
    const begun = this.beginning?.catch(() => undefined);
    await Promise.race([begun, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
    // Rejects where the server has died, or has not answered; it kills that one.
    await this.dispose().catch(() => undefined);
    void begun?.then(() => this.dispose()).catch(() => undefined);
  }

  /** Have the server do what it does for one of its commands. */
  execute<T>(command: string, ...words: unknown[]): Promise<T> {
    return this.sendRequest("workspace/executeCommand", { command, arguments: words });
  }

  sendSettings(): Promise<void> {
    return this.sendNotification(DidChangeConfigurationNotification.type, {
      settings: { m31r: settings() },
    });
  }

  /** Into the log only: what the user has to know, server.ts says. */
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }

  protected override async createMessageTransports(encoding: string): Promise<MessageTransports> {
    const transports = await super.createMessageTransports(encoding);
    this.spawned = true;
    return transports;
  }
}

const announcesStatus: StaticFeature = {
  fillClientCapabilities(capabilities: ClientCapabilities): void {
    const experimental = (capabilities.experimental ?? {}) as Record<string, unknown>;
    capabilities.experimental = { ...experimental, m31r: { status: true } };
  },
  initialize() {},
  getState: () => ({ kind: "static" }),
  clear() {},
};

function options(log: LogOutputChannel, closed: () => void): LanguageClientOptions {
  return {
    documentSelector: [
      { scheme: "file", language: "rust" },
      { scheme: "untitled", language: "rust" },
    ],
    initializationOptions: settings,
    outputChannel: log,
    initializationFailedHandler: () => false,
    errorHandler: {
      // Where the pipe is broken the process has ended, and `closed` follows.
      error: () => ({ action: ErrorAction.Continue, handled: true }),
      closed: () => {
        closed();
        return { action: CloseAction.DoNotRestart, message: "the server ended", handled: true };
      },
    },
    middleware: {
      executeCommand: (command, words, next) => {
        if (command === "m31r.accepted") tick("ghost");
        return next(command, words);
      },
      resolveCodeAction: (action, token, next) => {
        if (action.title.startsWith("M31R: ")) tick("fix");
        return next(action, token);
      },
      workspace: {
        configuration: async (params, token, next) => {
          const ours = params.items.length === 1 && params.items[0]?.section === "m31r";
          return ours ? [settings()] : next(params, token);
        },
      },
    },
  };
}
