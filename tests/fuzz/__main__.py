"""Feeds a target with what its coverage suggests: python -m tests.fuzz TARGET --seconds 600. Needs atheris."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.fuzz.targets import CORPUS, NAMES, target

#: of the standard library and others, what a target's way leads through
_INSTRUMENTED = ["edge_agent", "tests.fuzz", "tarfile", "zipfile", "csv", "hpack"]


def main() -> None:
    """Run libFuzzer on one target, from its kept inputs and its seeds; what it finds goes to a folder of one's own."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target", choices=NAMES)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--found", type=Path, required=True, help="folder for inputs that reached something new")
    parser.add_argument("--keep", action="store_true", help="add to the corpus the few of FOUND that reach all of it")
    arguments = parser.parse_args()
    kept, found = CORPUS / arguments.target, arguments.found / arguments.target
    if arguments.keep:
        from tests.fuzz.keeping import keep

        count = keep(target(arguments.target), [*found.iterdir()], kept)
        print(f"{count} inputs are in {kept}")  # noqa: T201
        return
    import atheris

    with atheris.instrument_imports(include=_INSTRUMENTED):
        module = target(arguments.target)
    found.mkdir(parents=True, exist_ok=True)
    if not any(found.iterdir()):
        for number, seed in enumerate(module.seeds()):
            (found / f"seed-{number}").write_bytes(seed)
    flags = [f"-max_total_time={arguments.seconds}", "-max_len=8192", "-timeout=180", "-rss_limit_mb=4096"]
    flags += [f"-artifact_prefix={arguments.found}/{arguments.target}-", "-print_final_stats=1"]
    folders = [str(found), *([str(kept)] if kept.is_dir() else [])]
    atheris.Setup([sys.argv[0], *flags, *folders], module.consume)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
