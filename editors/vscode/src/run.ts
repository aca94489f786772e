// Runs a program to its end, line by line into a log.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

const WINDOWS = process.platform === "win32";

export interface Running {
  log?: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/** What it printed. Rejects with its last line when it fails, and when `signal` stops it. */
export async function run(words: readonly string[], running: Running = {}): Promise<string> {
  const { log, signal } = running;
  const [command = "", ...rest] = words;
  signal?.throwIfAborted();
  log?.(`> ${words.join(" ")}`);
  // Its own group, so that what it starts can be stopped with it.
  const child = spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"], detached: !WINDOWS });
  const stop = () => end(child);
  signal?.addEventListener("abort", stop);
  const lines: string[] = [];
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (line) => {
      lines.push(line);
      log?.(line);
    });
  }
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    signal?.throwIfAborted();
    if (code === 0) return lines.join("\n");
    const last = lines.findLast((line) => line.trim() !== "");
    throw new Error(last ?? `${command} ended with status ${code}`);
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

function end(child: ChildProcess): void {
  if (child.pid === undefined) return;
  if (WINDOWS) {
    child.kill();
    return;
  }
  try {
    process.kill(-child.pid, "SIGTERM");
  } catch {
    // It has ended by itself.
  }
}
