"""The process of a training that CreateModel asked for: `training.py COMMAND…`, in the job's folder.

Of a project with one dataset a fifth is set apart for the test, as the service did; then the model is measured, and the
guide's evaluation result and manifest lie in the job's folder.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edge_agent.building.datasets.manifests.writing import write_manifest
from edge_agent.building.datasets.reading import Reading, read_dataset
from edge_agent.building.datasets.split import split
from edge_agent.children.command import child_command
from edge_agent.errors import EdgeAgentError
from edge_agent.studio.jobs.kinds import EVALUATION_FOLDER

SHARE = 0.2
#: with fewer pictures of a class there is nothing to spare
_LEAST = 5


def main() -> None:
    """Entry point of the process."""
    command = sys.argv[1:]
    try:
        if "--test" not in command:
            command = set_apart(command, Path.cwd())
        done = subprocess.run(command, check=False)
        if done.returncode:
            sys.exit(done.returncode)
        measure(command, Path.cwd())
    except EdgeAgentError as error:
        sys.exit(f"edge-agent: {error}")


def set_apart(command: list[str], folder: Path) -> list[str]:
    """Divide the one manifest of a training; give the command that has a test manifest, or the same one."""
    place = command.index("train") + 1
    whole = read_dataset(Path(command[place]), Reading(Path(_value(command, "--images"))))
    if min(len(whole.of("normal")), len(whole.of("anomaly"))) < _LEAST:
        return command
    train, test = split(whole, seed=0, share=SHARE)
    paths = []
    for name, part in (("trained", train), ("tested", test)):
        paths.append(folder / f"{name}.manifest")
        write_manifest(part, paths[-1])
    return [*command[:place], str(paths[0]), *command[place + 1 :], "--test", str(paths[1])]


def measure(command: list[str], folder: Path) -> None:
    """Measure the model; without pictures that were set apart, on those that it was trained on.

    Raises:
        EdgeAgentError: it can't be measured.
    """
    model = Path(_value(command, "-o")) / _value(command, "--name") / _value(command, "--version")
    pictures = _value(command, "--test") if "--test" in command else command[command.index("train") + 1]
    output = folder / EVALUATION_FOLDER
    evaluation = [*child_command("edge_agent.cli"), "evaluate", str(model), pictures, "--images",
                  _value(command, "--images"), "-o", str(output), "--skip-broken"]  # fmt: skip
    done = subprocess.run(evaluation, check=False, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise EdgeAgentError("the model was built, and could not be measured; the lines before say why")


def _value(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]
