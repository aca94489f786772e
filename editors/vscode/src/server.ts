// Keeps one server running: starts it, starts it again when it ends, says so when it cannot.

import * as vscode from "vscode";
import { Client } from "./client";
import { type Found, findServer } from "./find";
import type { OwnStatus, ServerStatus, Status } from "./looks";
import { tellEnded, tellMissing, tellNotStarted } from "./messages";
import { createBackoff } from "./restart";
import { ofServer } from "./settings";
import { tick } from "./walkthrough";

/** The answer to the server's command `m31r.status`. */
export interface Report extends ServerStatus {
  version: string;
  workspace: string[];
  index?: { files: number; items: number; names: number; ready: boolean };
  statistics: { shown: number; accepted: number; kept: number; characters: number };
}

export class Server implements vscode.Disposable {
  private readonly told = new vscode.EventEmitter<Status>();
  readonly onStatus = this.told.event;
  status: Status = { state: "stopped", message: "not started" };

  private client: Client | undefined;
  private last: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;
  private delayAfter = createBackoff();
  private off = false;
  private startedWith = "";

  /** `venv` is the folder for a server of the extension's own. */
  constructor(
    readonly venv: string,
    private readonly log: vscode.LogOutputChannel,
  ) {}

  /** The server to start, undefined where there is none. */
  find(): Found | undefined {
    return findServer(ofServer<string>("path"), this.venv);
  }

  /** Start it anew. What happened to an earlier one is forgotten. */
  restart(): Promise<void> {
    this.delayAfter = createBackoff();
    this.off = false;
    return this.next(() => this.begin());
  }

  stop(status: OwnStatus = { state: "stopped", message: "stopped" }): Promise<void> {
    return this.next(async () => {
      await this.end();
      this.show(status);
    });
  }

  /** Have the server do what it does for one of its commands; undefined where none runs. */
  async execute<T>(command: string, ...words: unknown[]): Promise<T | undefined> {
    return this.client?.isRunning() ? this.client.execute<T>(command, ...words) : undefined;
  }

  /** Take over changed settings: by a new start only where they name another server. */
  async reconfigure(): Promise<void> {
    if (this.startedWith !== this.wanted()) {
      await this.restart();
    } else if (this.client?.isRunning()) {
      await this.client.sendSettings();
    }
  }

  dispose(): void {
    this.told.dispose();
  }

  /** What decides which server starts, and how. */
  private wanted(): string {
    const names = ["path", "arguments"].map((name) => ofServer(name));
    return JSON.stringify([...names, this.find()?.command]);
  }

  /** One change after the other, however fast they are asked for. */
  private next(change: () => Promise<void>): Promise<void> {
    this.last = this.last.then(change).catch((error) => this.log.error(String(error)));
    return this.last;
  }

  private async begin(): Promise<void> {
    await this.end();
    this.startedWith = this.wanted();
    if (!vscode.workspace.isTrusted) {
      this.show({ state: "untrusted", message: "waits until the workspace is trusted" });
      return;
    }
    const found = this.find();
    if (found === undefined) {
      const named = ofServer<string>("path");
      const message = named ? `there is no server at ${named}` : "the server is not installed";
      this.show({ state: "missing", message });
      void tellMissing(named);
      return;
    }
    const client = new Client(found.command, ofServer<string[]>("arguments") ?? [], this.log, {
      status: (status) => this.hear(client, status),
      closed: () => this.ended(client),
    });
    this.client = client;
    this.show({ state: "starting", message: `starting ${found.command}` });
    // Not awaited: a server that says nothing must not keep the user from starting another.
    client.begin().then(
      () => this.started(client),
      (error: unknown) => this.failed(client, found.command, error),
    );
  }

  private async end(): Promise<void> {
    clearTimeout(this.timer);
    const client = this.client;
    this.client = undefined;
    running(false);
    await client?.end();
  }

  private async started(client: Client): Promise<void> {
    if (client !== this.client) return;
    running(true);
    tick("server");
    try {
      // They may have changed while it started.
      await client.sendSettings();
      if (this.off) await client.execute("m31r.toggle", false);
      this.hear(client, await client.execute<Report>("m31r.status"));
    } catch (error) {
      this.log.warn(`no status: ${error}`);
    }
  }

  private failed(client: Client, command: string, error: unknown): void {
    if (client.spawned) {
      this.ended(client);
    } else if (client === this.client) {
      this.client = undefined;
      const why = String(error).replace(/^Launching server using command .* failed\. Error: /, "");
      const message = `${command} did not start: ${why}`;
      this.show({ state: "missing", message });
      void tellNotStarted(message);
    }
  }

  private ended(client: Client): void {
    if (client !== this.client) return;
    this.client = undefined;
    running(false);
    const delay = this.delayAfter(Date.now());
    if (delay === undefined) {
      this.show({ state: "ended", message: "the server ended again and again" });
      void tellEnded();
      return;
    }
    const message = `the server ended and starts again in ${delay / 1000} s`;
    this.log.warn(message);
    this.show({ state: "waiting", message });
    this.timer = setTimeout(() => void this.next(() => this.begin()), delay);
  }

  private hear(client: Client, status: ServerStatus): void {
    if (client !== this.client) return;
    if (status.state !== "loading" && status.state !== "failed") this.off = status.state === "off";
    this.show(status);
  }

  private show(status: Status): void {
    this.status = status;
    this.told.fire(status);
  }
}

function running(is: boolean): void {
  void vscode.commands.executeCommand("setContext", "m31r.running", is);
}
