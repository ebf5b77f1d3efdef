"""How what a call costs grows: models running 1 to 16, clients 1 to 64, pictures 64x64 to 4096x4096; the empty model.

python -m pip install -r benchmarks/requirements-plots.txt     # matplotlib
python -m benchmarks.growth                                    # about four minutes; draws docs/images/growth-*.svg
python -m benchmarks.growth --only pictures --output /tmp      # one of the three
python -m benchmarks.growth --json FILE                        # and the figures for another program
python -m benchmarks.growth --draw FILE                        # draws and prints these, measures nothing
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.beginning import begin, command_line
from benchmarks.growth.figures import Figures, read_figures, tables
from benchmarks.growth.sweeps import clients_sweep, models_sweep, pictures_sweep
from benchmarks.peers.processes import ProcessEnded
from benchmarks.rig import machine

_IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
_SWEEPS: dict[str, Callable[[], Any]] = {"models": models_sweep, "clients": clients_sweep, "pictures": pictures_sweep}


def _arguments() -> argparse.Namespace:
    parser = command_line("growth", __doc__)
    parser.add_argument("--only", choices=_SWEEPS, nargs="+", default=list(_SWEEPS), help="what grows")
    parser.add_argument("--output", type=Path, default=_IMAGES, metavar="DIR", help="where the plots go")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--draw", type=Path, metavar="FILE", help="take the figures from such a file")
    given = begin(parser)
    if importlib.util.find_spec("matplotlib") is None:
        parser.error("the plots need matplotlib: python -m pip install -r benchmarks/requirements-plots.txt")
    return given


def _measure(wanted: list[str]) -> Figures:
    found: dict[str, Any] = {name: [] for name in _SWEEPS}
    for name in wanted:
        print(f"measuring {name}", file=sys.stderr)
        found[name] = _SWEEPS[name]()
    today = datetime.date.today()
    return Figures(machine(), f"{today.day} {today:%B %Y}", **found)


def main() -> None:
    given = _arguments()
    try:
        figures = read_figures(json.loads(given.draw.read_text())) if given.draw else _measure(given.only)
    except ProcessEnded as reason:
        sys.exit(str(reason))
    if given.json:
        given.json.write_text(json.dumps(figures.as_fields(), indent=2) + "\n")
    print(f"{figures.machine}; {figures.date}")
    for line in tables(figures):
        print(line)
    from benchmarks.growth.plots import draw

    for path in draw(figures, given.output):
        print(path)


if __name__ == "__main__":
    main()
