"""How a model's training pictures were read, in the words of the options that say it: the agent's status tells clients.

A bitmap always has 8 bits. Who makes one of a file with more, or of a mosaic, has to scale it as the training pictures
were; the contract has no field for that, so that it stands in the model's status message.
"""

from __future__ import annotations

import re

from edge_agent.component.manifest import Manifest

_USUAL = {"bits": 16, "bayer": ""}
_SAID = "the training pictures' files were read with "
_OPTION = re.compile(r"--(bits|bayer) (\w+)")


def say_pixel_options(manifest: Manifest | None) -> str:
    """Say it of a component; "" where files were read as they are, nothing is known, or there is no component."""
    said = manifest.training.get("pixel_format") if manifest else None
    if not isinstance(said, dict):
        return ""
    given = [f"--{key} {said[key]}" for key, usual in _USUAL.items() if said.get(key, usual) != usual]
    return f"{_SAID}{' '.join(given)}" if given else ""


def read_pixel_options(message: str) -> dict[str, str]:
    """Read from a status message what `say_pixel_options` wrote there: the options' values by name."""
    _, found, rest = message.partition(_SAID)
    return dict(_OPTION.findall(rest.split(";")[0])) if found else {}
