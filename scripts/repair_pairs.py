"""Break crates that compile in many small ways, and write what rustc says of it, for evaluation.

    tar xJf CRATES.tar.xz -C build/crates
    python scripts/repair_pairs.py build/crates fst-0.4.7 cidr-0.3.2 --out build/pairs.jsonl

`m31r-eval build-suites --pairs build/pairs.jsonl` makes repair tasks of them. The pairs are those
of the data pipeline's mutators; that the crates are kept from training is the caller's to see to.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from m31r_core.cargo.toolchain import find_toolchain
from m31r_data.compile.lab import Laboratory, LaboratoryError
from m31r_data.compile.verify import CrateFolder, crate_in, sandbox_for, verify_crate
from m31r_data.config import CompileConfig, RepairConfig
from m31r_data.mutate.crate_pairs import run_crate
from m31r_data.mutate.pairs import SourceFile


def main() -> int:
    """Write the pairs of every crate that compiles."""
    arguments = _parser().parse_args()
    config = RepairConfig(
        enabled=True,
        mutants_per_crate=arguments.mutants,
        bytes_per_mutant=1,
        crate_bytes=arguments.bytes,
        alone_share=0.1,
    )
    compile_config = CompileConfig(enabled=True, vendor=arguments.crates)
    toolchain = find_toolchain()
    sandbox = sandbox_for(compile_config, toolchain)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with arguments.out.open("w", encoding="utf-8") as out, tempfile.TemporaryDirectory() as work:
        Path(work).chmod(0o755)
        for folder in arguments.names:
            name, _, version = folder.rpartition("-")
            crate = CrateFolder(name, version, arguments.crates / folder)
            start = time.monotonic()
            verdict = verify_crate(
                crate.name,
                crate.version,
                crate.folder,
                work=Path(work),
                vendor=arguments.crates,
                sandbox=sandbox,
                toolchain=toolchain,
                config=compile_config,
            )
            codes = Counter[str]()
            why = verdict.why
            if verdict.compiles == "yes":
                files = {
                    path: SourceFile((crate.folder / path).read_bytes(), "", "")
                    for path in verdict.files
                }
                checked = crate_in(crate, work=Path(work), vendor=arguments.crates)
                scratch = Path(work) / "scratch"
                try:
                    with Laboratory(checked, sandbox.fresh(), toolchain, scratch) as laboratory:
                        for pair in run_crate(
                            laboratory, files, name, version, config, arguments.seed
                        ):
                            out.write(json.dumps(pair.to_json(), ensure_ascii=False) + "\n")
                            out.flush()
                            codes[pair.codes[0]] += 1
                except LaboratoryError as error:
                    why = str(error)
            seconds = time.monotonic() - start
            common = ", ".join(f"{code} {count}" for code, count in codes.most_common(12))
            print(f"{folder}: {codes.total()} pairs in {seconds:.0f} s {why} {common}", flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    assert __doc__
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("crates", type=Path, help="a directory source")
    parser.add_argument("names", nargs="+", metavar="NAME-VERSION", help="folders in it")
    parser.add_argument("--out", type=Path, required=True, metavar="PAIRS.jsonl")
    parser.add_argument("--mutants", type=int, default=900, help="tried of each crate, at most")
    parser.add_argument("--bytes", type=int, default=400_000, help="of a crate's files looked at")
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    sys.exit(main())
