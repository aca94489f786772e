"""The same weights and the same keys through llama.cpp and through M31R, side by side.

    pip install 'm31r[dev]' && npm install --prefix build/llama node-llama-cpp
    python benchmarks/vs_llama_cpp.py --json llama.json

The weights that ship, or --checkpoint, are exported to our bundle and to GGUF, in 8 bits (or
--quant int4). Compared are

- the engine: prefill of 64, 256, 512, 1,024 tokens, a decode step behind each, and greedy decoding
  of real middles, both called from Python in this process. llama.cpp is the library that
  node-llama-cpp carries, built for this processor; ours decodes with drafts, as it does in use.
- the keystroke: 200 keys typed into a file. llama.cpp's server (xllamacpp's, built for AVX2) gets
  /infill as llama.vim asks it: the lines before as prefix, the line so far as prompt, the lines
  after as suffix, cache_prompt, one line wanted. A second time it gets the very token ids of our
  prompts, suffix first, by /completion. M31R is asked over LSP.

Before that, llama.cpp and we write the same greedy text with unquantised weights.

All in one run with the same number of threads: the engines in turns, the servers one after the
other.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import keystrokes
from benchmarks._llama import LIBRARIES, Llama
from benchmarks._machine import machine

from m31r_core.bundle import Bundle, load_bundle, shipped_bundle
from m31r_core.engine import Engine, GenerateOptions, default_threads
from m31r_core.engine.session import Session
from m31r_core.prompt import Prompt, PromptBudget, build_prompt
from m31r_core.tokenizer import NEVER_WRITTEN, SPECIALS, Tokenizer
from m31r_eval.models.llama_server import LlamaServer

ROOT = Path(__file__).parents[1]
LENGTHS = (64, 256, 512, 1000)
_ROUNDS = 9
_MOST_TOKENS = 64
_PAUSE_S = 0.05


@dataclass(frozen=True)
class Row:
    """One comparison; both numbers in `unit`, smaller is better."""

    what: str
    unit: str
    ours: float
    llama: float

    @property
    def ratio(self) -> float:
        """Ours over theirs."""
        return round(self.ours / self.llama, 3)


def main() -> int:
    arguments = _parser().parse_args()
    threads = arguments.threads or default_threads()
    with tempfile.TemporaryDirectory(prefix="m31r-llama-") as folder:
        checkpoint = arguments.checkpoint or _unpacked(Path(folder) / "checkpoint")
        exact = _export(checkpoint, Path(folder) / "fp32", "fp32")
        bundle = _export(checkpoint, Path(folder) / "bundle", arguments.quant)
        equal = equal_text(exact, arguments.libraries, threads)
        rows, system = engines(bundle, arguments.libraries, threads)
        rows += typing(bundle, threads, arguments.keys)
    ratios = {row.what.replace(" ", "_"): row.ratio for row in rows}
    ratios["prefill"] = ratios["prefill_512"]
    ratios["keystroke_p50"] = ratios["keystroke_p50,_infill"]
    ratios["keystroke_p95"] = ratios["keystroke_p95,_infill"]
    _print(rows, bundle, threads, equal, system)
    if arguments.json:
        report = {
            "machine": machine() | {"threads": threads, "llama_cpp": system},
            "rows": [asdict(row) for row in rows],
            "ratios": ratios,
            "equal_greedy_texts": equal,
        }
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    return 0


def equal_text(bundle: Bundle, libraries: Path, threads: int) -> str:
    """Return how many of some greedy texts are the same, token for token."""
    engine = Engine.load(bundle, threads=threads)
    model = Llama(libraries, bundle.path / "model.gguf", threads, engine.graph.context_length)
    prompts = _prompts(engine.tokenizer, engine.graph.context_length)
    equal = 0
    for prompt in prompts:
        ours = engine.generate(Prompt(prompt.ids), GenerateOptions(max_new_tokens=24)).ids
        equal += ours == _greedy(model, prompt.ids, len(ours))
    return f"{equal} of {len(prompts)}"


def engines(bundle: Bundle, libraries: Path, threads: int) -> tuple[list[Row], str]:
    """Compare prefill, decode and greedy decoding, and say what llama.cpp uses."""
    engine = Engine.load(bundle, threads=threads)
    session = Session(engine.graph)
    model = Llama(libraries, bundle.path / "model.gguf", threads, session.context_length)
    ids = engine.tokenizer.encode(keystrokes.FILE.read_text("utf-8"))
    rows = []
    for length in LENGTHS:

        def ours(length: int = length) -> None:
            session.rewind(0)
            session.prefill(ids[:length])

        def theirs(length: int = length) -> None:
            model.clear()
            model.forward(ids[:length])

        def our_step(length: int = length) -> None:
            session.rewind(length)
            session.forward(ids[:1], [0])

        def their_step(length: int = length) -> None:
            model.rewind(length)
            model.forward(ids[:1])

        rows.append(Row(f"prefill {length}", "ms", *_in_turns(ours, theirs)))
        rows.append(Row(f"step behind {length}", "ms", *_in_turns(our_step, their_step, each=10)))
    rows.append(Row("decode", "ms a token", *_decoding(engine, model)))
    return rows, model.system


def typing(bundle: Bundle, threads: int, keys: int) -> list[Row]:
    """Compare what follows a key, and the memory of both servers behind it."""
    context = bundle.manifest.context_length
    trace = _trace(bundle, keys)
    server = LlamaServer(bundle.path / "model.gguf", threads, context)
    try:
        infill = [_timed(partial(server.post, "/infill", step.infill)) for step in trace]
        by_ids = [_timed(partial(server.post, "/completion", step.completion)) for step in trace]
        memory = psutil.Process(server.pid).memory_info().rss / 2**20
    finally:
        server.close()
    settings = {"threads": threads}
    client = keystrokes.Client(["--model", str(bundle.path)])
    try:
        ours = _typed_over_lsp(client, trace, settings)
        our_memory = psutil.Process(client.process.pid).memory_info().rss / 2**20
    finally:
        client.process.kill()
        client.process.wait()
    rows = []
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        for kind, theirs in (("infill", infill), ("our prompt", by_ids)):
            pair = keystrokes.quantile(ours, share), keystrokes.quantile(theirs, share)
            rows.append(Row(f"keystroke {name}, {kind}", "ms", *pair))
    return [*rows, Row("resident memory", "MiB", our_memory, memory)]


@dataclass(frozen=True)
class _Step:
    """A key: where it goes, and what both servers of llama.cpp's kind are asked behind it."""

    line: int
    character: int
    text: str
    infill: dict[str, Any]
    completion: dict[str, Any]


def _trace(bundle: Bundle, keys: int) -> list[_Step]:
    tokenizer = Tokenizer.load(bundle.tokenizer)
    text = keystrokes.FILE.read_text("utf-8")
    cut = text.index(keystrokes.ANCHOR) + len(keystrokes.ANCHOR)
    before, after = text[:cut], text[cut:]
    line, character = before.count("\n"), 0
    budget = PromptBudget(bundle.manifest.context_length, _MOST_TOKENS)
    common = {
        "n_predict": _MOST_TOKENS,
        "temperature": 0.0,
        "samplers": ["top_k"],
        "top_k": 1,
        "cache_prompt": True,
        "stop": ["\n"],
    }
    steps = []
    for key in keystrokes.typed_keys()[:keys]:
        at = (line, character)
        before += key
        if "\n" in key:
            line, character = line + 1, len(key) - 1
        else:
            character += len(key)
        prompt = build_prompt(
            tokenizer, path="src/lib.rs", prefix=before, suffix=after, budget=budget
        )
        # As many characters around the cursor as our own prompt shows.
        cut_at = before.rindex("\n") + 1
        shown = tokenizer.decode(prompt.ids)
        window = before[-len(shown) :] if len(shown) < len(before) else before
        prefix = window[: len(window) - (len(before) - cut_at)]
        infill = {
            "input_prefix": prefix[prefix.find("\n") + 1 :][-2200:],
            "input_suffix": after[:700],
            "prompt": before[cut_at:],
        }
        steps.append(_Step(*at, key, infill | common, {"prompt": list(prompt.ids)} | common))
    return steps


def _typed_over_lsp(
    client: keystrokes.Client, trace: list[_Step], settings: dict[str, Any]
) -> list[float]:
    parameters = {
        "processId": os.getpid(),
        "rootUri": None,
        "capabilities": {},
        "initializationOptions": {"m31r": settings},
    }
    client.send(client.request("initialize", parameters))
    client.wait()
    text = keystrokes.FILE.read_text("utf-8")
    document = {"uri": keystrokes.URI, "languageId": "rust", "version": 1, "text": text}
    first = trace[0]
    client.send(
        {"method": "initialized", "params": {}},
        {"method": "textDocument/didOpen", "params": {"textDocument": document}},
        client.request("textDocument/inlineCompletion", keystrokes.ask_at(first.line, 0)),
    )
    client.wait()
    took = []
    for version, step in enumerate(trace, 2):
        where = {"line": step.line, "character": step.character}
        change = {"range": {"start": where, "end": where}, "text": step.text}
        edited = {"uri": keystrokes.URI, "version": version}
        line = step.line + step.text.count("\n")
        character = len(step.text) - 1 if "\n" in step.text else step.character + len(step.text)

        def ask(change: Any = change, edited: Any = edited, place: Any = (line, character)) -> None:
            parameters = {"textDocument": edited, "contentChanges": [change]}
            client.send(
                {"method": "textDocument/didChange", "params": parameters},
                client.request("textDocument/inlineCompletion", keystrokes.ask_at(*place)),
            )
            client.wait()

        took.append(_timed(ask))
    return took


def _timed(action: Callable[[], object]) -> float:
    """Return how many ms `action` takes a while after the one before."""
    time.sleep(_PAUSE_S)
    begin = time.perf_counter()
    action()
    return (time.perf_counter() - begin) * 1e3


def _decoding(engine: Engine, model: Llama) -> tuple[float, float]:
    """Return ms a token of greedy decoding behind the same prompts, ours with drafts."""
    prompts = _prompts(engine.tokenizer, engine.graph.context_length)
    ours, theirs, our_tokens, their_tokens = 0.0, 0.0, 0, 0
    for prompt in prompts:
        generation = engine.generate(Prompt(prompt.ids), GenerateOptions(max_new_tokens=24))
        ours += generation.decode_ms
        our_tokens += len(generation.ids)
        model.clear()
        # As in our own time, the first token comes of the prefill.
        logits = model.forward(prompt.ids)
        begin = time.perf_counter()
        their_tokens += len(_continued(model, logits, 24))
        theirs += (time.perf_counter() - begin) * 1e3
    return ours / max(1, our_tokens), theirs / max(1, their_tokens)


def _greedy(model: Llama, ids: tuple[int, ...], count: int) -> tuple[int, ...]:
    model.clear()
    return tuple(_continued(model, model.forward(ids), count))


def _continued(model: Llama, logits: NDArray[np.float32], count: int) -> list[int]:
    written: list[int] = []
    while len(written) < count:
        logits[list(NEVER_WRITTEN)] = -float("inf")
        token = int(logits.argmax())
        if token < len(SPECIALS):
            break
        written.append(token)
        if len(written) < count:
            logits = model.forward([token])
    return written


def _prompts(tokenizer: Tokenizer, context: int) -> list[Prompt]:
    """Return prompts at the beginning of every eighth line of the file that is typed into."""
    text = keystrokes.FILE.read_text("utf-8")
    budget = PromptBudget(context, _MOST_TOKENS)
    lines = text.splitlines(keepends=True)
    found = []
    for number in range(40, len(lines) - 10, 8):
        prefix, suffix = "".join(lines[:number]), "".join(lines[number:])
        prompt = build_prompt(
            tokenizer, path="src/lib.rs", prefix=prefix, suffix=suffix, budget=budget
        )
        found.append(prompt)
    return found


def _in_turns(
    ours: Callable[[], None], theirs: Callable[[], None], each: int = 1
) -> tuple[float, float]:
    """Return the medians, in ms, of both, measured in turns."""
    ours()
    theirs()
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(_ROUNDS):
        for action, found in zip((ours, theirs), times, strict=True):
            for _ in range(each):
                begin = time.perf_counter()
                action()
                found.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(times[0]), statistics.median(times[1])


def _unpacked(out: Path) -> Path:
    command = [sys.executable, "-m", "m31r_train.cli", "unpack", str(shipped_bundle())]
    subprocess.run([*command, "--out", str(out)], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return out


def _export(checkpoint: Path, out: Path, quant: str) -> Bundle:
    command = [sys.executable, "-m", "m31r_train.cli", "export", str(checkpoint)]
    command += ["--out", str(out), "--quant", quant, "--gguf"]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return load_bundle(out)


def _print(rows: list[Row], bundle: Bundle, threads: int, equal: str, system: str) -> None:
    console = Console()
    console.print(f"{bundle.manifest.model_id}, {bundle.manifest.quant}, {threads} threads")
    console.print(f"greedy texts that are equal, fp32: {equal}")
    console.print(f"llama.cpp: {system}", highlight=False)
    table = Table("", "M31R", "llama.cpp", "", "ratio")
    for column in table.columns[1:3]:
        column.justify = "right"
    for row in rows:
        table.add_row(row.what, f"{row.ours:.2f}", f"{row.llama:.2f}", row.unit, f"{row.ratio:.2f}")
    console.print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, metavar="DIR", help="default: what ships")
    parser.add_argument("--quant", choices=("int8", "int4"), default="int8")
    parser.add_argument(
        "--libraries",
        type=Path,
        default=ROOT / "build/llama" / LIBRARIES,
        metavar="DIR",
        help="folder of libllama.so",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="default: the engine's")
    parser.add_argument("--keys", type=int, default=keystrokes.KEYS, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
