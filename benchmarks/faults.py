"""What a line notices of faults beside it: every scenario of tests/faults, one by one, with nothing else going on.

A steady client sends 25 pictures a second to a bystander, the reference model where it is there, while another model's
worker is killed, a client floods the agent, a disk is full, and so on. None of its answers may be wrong or lost, and
none may take longer than 10 times the median of its answers in peace. The first two are asserted by the test suite as
well; times can't be, on a machine that does other things. Exits with 1 when one is over.

`python -m benchmarks.faults -k connections` measures some; what follows goes to pytest.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.beginning import begin, command_line
from benchmarks.rig import REFERENCE, bare_pipeline, cookie_picture, machine, reference_component
from edge_agent.inference.imaging.resize import ArrayPixels
from tests.faults.bystander import Samples, write_bystander

_MOST = 10.0  # times the median that an answer may take
_WIDTH, _HEIGHT = 576, 768
_ECHO_SIDE = 1536  # an echo model for pictures of this size takes some milliseconds


def _prepare(folder: Path) -> None:
    """Write the bystander's component, and pictures with the answers that a pipeline without the agent gives."""
    models = folder / "models"
    if not REFERENCE.exists():
        print("the reference model is not beside this checkout: the bystander is an echo model")
        write_bystander(models, _ECHO_SIDE, _ECHO_SIDE).save(folder / "samples.npz")
        return
    manifest = reference_component(models, _WIDTH, _HEIGHT)
    pipeline = bare_pipeline(models, manifest)
    drawn = [cookie_picture(_WIDTH, _HEIGHT, cracked=cracked) for cracked in (True, False)]
    pictures = np.stack([*drawn, *(np.ascontiguousarray(picture[:, ::-1]) for picture in drawn)])
    masks, scores = np.empty_like(pictures), []
    for number, picture in enumerate(pictures):
        inspection = pipeline.run(ArrayPixels(picture))
        scores.append(inspection.verdict.score)
        masks[number] = np.frombuffer(b"".join(inspection.mask or ()), np.uint8).reshape(picture.shape)
    Samples(pictures, masks, np.array(scores)).save(folder / "samples.npz")


def _report(figures: list[str]) -> bool:
    """Print the table; tell whether everything was as it should be."""
    print(f"{'scenario':72} {'calls':>6} {'wrong':>5} {'lost':>5} {'median':>9} {'longest':>9} {'ratio':>6}")
    good = bool(figures)
    for line in figures:
        name, median, calls, wrong, lost, longest = json.loads(line)
        ratio = longest / median
        good = good and not wrong and ratio <= _MOST
        times = f"{median * 1000:6.2f} ms {longest * 1000:6.2f} ms {ratio:6.1f}"
        print(f"{name:72} {calls:6} {wrong:5} {lost:5} {times}{' <-- over' if ratio > _MOST else ''}")
    print("lost in `signals` are calls made while the daemon was away")
    return good


def _run(command: list[str], environment: dict[str, str]) -> int:
    """Run the tests. A signal that ends this process ends them first, as Ctrl-C does, and so their daemons."""
    with subprocess.Popen(command, env=environment, start_new_session=True) as process:
        try:
            return process.wait()
        except BaseException:
            process.send_signal(signal.SIGINT)
            raise


def main() -> None:
    parser = command_line("faults", __doc__, usage="%(prog)s [-h] [ARGUMENT OF PYTEST ...]")
    begin(parser, [argument for argument in sys.argv[1:] if argument in ("-h", "--help")])
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(folder)
        (folder / "figures").touch()
        every = ["-m", "long or not long"]
        command = [sys.executable, "-m", "pytest", "-n", "0", *every, "tests/faults", *sys.argv[1:]]
        ended = _run(command, {**os.environ, "EDGE_AGENT_FAULTS": name})
        good = _report((folder / "figures").read_text().splitlines())
    sys.exit(0 if good and ended == 0 else 1)


if __name__ == "__main__":
    main()
