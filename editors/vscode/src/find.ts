// Where the server lies: named by the user, on PATH, or in the venv that the extension made.

import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";

export const PROGRAM = "m31r-lsp";
const WINDOWS = process.platform === "win32";

export interface Found {
  command: string;
  from: "setting" | "path" | "venv";
}

/** The server to start, undefined where there is none. A `setting` that names none stays that. */
export function findServer(
  setting: string | null | undefined,
  venv: string,
  env: NodeJS.ProcessEnv = process.env,
): Found | undefined {
  if (setting) {
    const command = program(setting, env);
    return command === undefined ? undefined : { command, from: "setting" };
  }
  const onPath = program(PROGRAM, env);
  if (onPath !== undefined) return { command: onPath, from: "path" };
  const own = inVenv(venv, PROGRAM);
  return runs(own) ? { command: own, from: "venv" } : undefined;
}

/** The file of a program that is named by its path, `~` allowed, or by its name on PATH. */
export function program(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const file = withHome(name, env);
  const folders = path.basename(file) === file ? (env.PATH ?? "").split(path.delimiter) : [""];
  const endings = WINDOWS ? ["", ...(env.PATHEXT ?? ".EXE").split(";")] : [""];
  return folders
    .filter((folder) => folder !== "" || folders.length === 1)
    .flatMap((folder) => endings.map((ending) => path.join(folder, file + ending)))
    .find(runs);
}

/** `name` with the home folder in place of a `~` at its start. */
export function withHome(name: string, env: NodeJS.ProcessEnv = process.env): string {
  return name.replace(/^~(?=$|[/\\])/, env.HOME ?? homedir());
}

/** Where a venv keeps a program. */
export function inVenv(venv: string, name: string): string {
  return WINDOWS ? path.join(venv, "Scripts", `${name}.exe`) : path.join(venv, "bin", name);
}

function runs(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
