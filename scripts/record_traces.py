"""Record what a real Neovim tells the server while functions are typed, for `m31r-eval latency`.

    python scripts/record_traces.py eval/suites/body.jsonl.xz --out eval/suites/traces.jsonl.xz

The editor, the plugin, the server and the messages are real; the typist is a program: pauses are
log-normal around 130 ms, longer behind a line, and now and then it thinks. Every function is typed
at its place in its file, in real time, one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.e2e.editors import environment
from tests.e2e.neovim import program

from m31r_eval.tasks import CompleteTask, read_tasks, write_tasks
from m31r_eval.traces import Trace, read_traces

REPOSITORY = Path(__file__).resolve().parents[1]
MEDIAN_MS = 130.0
SIGMA = 0.45
THINKS = 0.02
LENGTHS = range(90, 320)

INIT = """
vim.opt.runtimepath:append({plugin})
require('m31r').setup(vim.json.decode({options}))
local keys = vim.json.decode({keys})
local at = 0
local function done()
  vim.lsp.stop_client(vim.lsp.get_clients())
  vim.defer_fn(function() vim.cmd('qa!') end, 4000)
end
local function press()
  at = at + 1
  if keys[at] == nil then return vim.defer_fn(done, 1500) end
  vim.api.nvim_input(keys[at][1])
  vim.defer_fn(press, keys[at][2])
end
vim.api.nvim_create_autocmd('LspAttach', {{ once = true, callback = function()
  vim.opt_local.autoindent = false
  vim.opt_local.indentexpr = ''
  vim.opt_local.cindent = false
  vim.opt_local.smartindent = false
  vim.opt_local.expandtab = false
  vim.opt_local.formatoptions = ''
  vim.opt_local.textwidth = 0
  vim.defer_fn(press, 2000)
end }})
"""


def main() -> int:
    """Record one trace a task."""
    arguments = _parser().parse_args()
    chance = random.Random(arguments.seed)
    tasks = [task for task in read_tasks(arguments.tasks).tasks if len(task.middle) in LENGTHS]
    traces: list[Trace] = []
    crates: set[str] = set()
    for task in tasks:
        crate = task.path.split("/", 1)[0]
        if crate in crates or len(traces) == arguments.n:
            continue
        crates.add(crate)
        trace = record(task, chance)
        print(f"{task.id}: {trace.asks} requests, {len(trace.events)} events", flush=True)
        traces.append(trace)
    header = {"kind": "traces", "n": len(traces), "seed": arguments.seed, "editor": "Neovim"}
    write_tasks(arguments.out, traces, header)
    return 0


def record(task: CompleteTask, chance: random.Random) -> Trace:
    """Type the task's middle in Neovim and return what the server was told."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        file = home / "crate" / task.path
        file.parent.mkdir(parents=True)
        file.write_text(task.prefix + task.suffix, encoding="utf-8")
        before = task.prefix.split("\n")
        where = f"<Cmd>call cursor({len(before)}, {len(before[-1].encode()) + 1})<CR>"
        keys: list[tuple[str, float]] = [(where, 400.0), ("a" if before[-1] else "i", 400.0)]
        keys += typed(task.middle, chance)
        out = home / "trace.jsonl"
        here = Path(sys.executable).parent
        command = [str(here / "m31r-eval"), "record", "--out", str(out)]
        options = {"cmd": [*command, "--", str(here / "m31r-lsp")]}
        init = home / "init.lua"
        init.write_text(
            INIT.format(
                plugin=json.dumps(str(REPOSITORY / "editors" / "neovim")),
                options=json.dumps(json.dumps(options)),
                keys=json.dumps(json.dumps(keys)),
            )
        )
        subprocess.run(
            [program(), "--headless", "-i", "NONE", "-n", "-u", str(init), str(file)],
            env={**environment(home), "TERM": os.environ.get("TERM", "dumb")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=600,
            check=True,
        )
        (trace,) = read_traces(out).tasks
        return replace(trace, id=task.id, path=task.path)


def typed(text: str, chance: random.Random) -> list[tuple[str, float]]:
    """Return the keys that write `text`, each with the milliseconds behind it."""
    names = {"<": "<lt>", "\n": "<CR>", "\t": "<Tab>", "|": "<Bar>"}
    keys = []
    for letter in text:
        pause = chance.lognormvariate(0.0, SIGMA) * MEDIAN_MS
        if letter == "\n":
            pause *= 2.5
        if chance.random() < THINKS:
            pause += chance.uniform(600.0, 1_400.0)
        keys.append((names.get(letter, letter), round(pause, 1)))
    return keys


def _parser() -> argparse.ArgumentParser:
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("tasks", type=Path, metavar="TASKS.jsonl.xz")
    parser.add_argument("--out", type=Path, required=True, metavar="TRACES.jsonl.xz")
    parser.add_argument("--n", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    sys.exit(main())
