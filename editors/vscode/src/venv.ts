// Makes a venv with the server in it: a Python that will do, `python -m venv`, `pip install`.

import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import path from "node:path";
import { inVenv, PROGRAM, program, withHome } from "./find";
import { run } from "./run";

const VERSIONS = ["3.13", "3.12", "3.11"];
const ASK = ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"];

export interface Making {
  /** The folder of the venv; what lies there is replaced. */
  venv: string;
  /** What pip installs: a name, a folder or a wheel. */
  package: string;
  log: (line: string) => void;
  report: (step: string) => void;
  signal?: AbortSignal;
}

/** Make it and return the server's file. Leaves no folder behind when that fails or is stopped. */
export async function makeVenv(making: Making): Promise<string> {
  const { venv, log, report, signal } = making;
  const running = { log, signal };
  report("looking for Python");
  const python = await choosePython((words) => version(words, signal));
  if (python === undefined) {
    const looked = pythons().map((words) => words.join(" "));
    throw new Error(`no Python 3.11 to 3.13 was found (looked for ${looked.join(", ")})`);
  }
  try {
    report("making a virtual environment");
    await rm(venv, { recursive: true, force: true });
    await mkdir(path.dirname(venv), { recursive: true });
    await run([...python, "-m", "venv", venv], running);
    report(`installing ${making.package}`);
    const pip = [inVenv(venv, "python"), "-m", "pip", "install"];
    const options = ["--no-input", "--disable-pip-version-check"];
    await run([...pip, ...options, withHome(making.package)], running);
    const server = inVenv(venv, PROGRAM);
    if (!existsSync(server)) throw new Error(`${making.package} brings no ${PROGRAM}`);
    return server;
  } catch (error) {
    await rm(venv, { recursive: true, force: true });
    throw error;
  }
}

/** The first command among those of `pythons()` that `ask` says is a Python that will do. */
export async function choosePython(
  ask: (words: string[]) => Promise<string | undefined>,
  commands = pythons(),
): Promise<string[] | undefined> {
  for (const words of commands) {
    if (VERSIONS.includes((await ask(words)) ?? "")) return words;
  }
  return undefined;
}

/** The commands that may be a Python, the newest that will do first. */
export function pythons(platform: NodeJS.Platform = process.platform): string[][] {
  const launcher = platform === "win32" ? VERSIONS.map((each) => ["py", `-${each}`]) : [];
  const named = VERSIONS.map((each) => [`python${each}`]);
  return [...launcher, ...named, ["python3"], ["python"]];
}

async function version(words: string[], signal?: AbortSignal): Promise<string | undefined> {
  const [name = "", ...rest] = words;
  const file = program(name);
  if (file === undefined) return undefined;
  try {
    return (await run([file, ...rest, ...ASK], { signal })).trim();
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}
