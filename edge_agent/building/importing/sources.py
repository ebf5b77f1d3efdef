"""What somebody names as SOURCE: a folder, an ONNX file, or an archive that is unpacked."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge_agent.access.rights import describe_refusal
from edge_agent.building.importing.archives import is_archive, unpack
from edge_agent.errors import ImportFailed

#: what SOURCE may be, for messages
ADVICE = (
    "expected a DDA component, the model.tar.gz of the Marketplace model, or an ONNX file (with its .data beside it)"
)


@contextlib.contextmanager
def opened(source: Path) -> Iterator[Path]:
    """Give the folder, or the ONNX file, that SOURCE is or unpacks to.

    Raises:
        ImportFailed: it does not exist, or is neither of these nor an archive that can be unpacked.
    """
    try:
        source.stat()
    except OSError as error:  # a name that is too long, links in a circle, a folder that may not be read
        missing = isinstance(error, FileNotFoundError)
        raise ImportFailed(
            f"{source} {'does not exist' if missing else f'can not be read: {describe_refusal(error, source)}'}"
        ) from None
    if source.is_dir() or (source.is_file() and source.suffix.lower() == ".onnx"):
        yield source
        return
    if not source.is_file() or source.suffix.lower() in (".pt", ".pth", ".ckpt") or not is_archive(source):
        raise ImportFailed(f"{source} is no folder, archive (.zip, .tar.gz) or .onnx file: {ADVICE}")
    with tempfile.TemporaryDirectory(prefix="edge-agent-import-") as temporary:
        unpack(source, Path(temporary))
        place = _lone_folder(Path(temporary))
        try:
            yield place
        except ImportFailed as error:  # the user knows the archive, not the temporary folder
            raise ImportFailed(str(error).replace(str(place), str(source))) from None


def is_litter(path: Path) -> bool:
    """Tell what macOS leaves in folders and archives: .DS_Store, __MACOSX/ and ._name beside every file."""
    return any(part in ("__MACOSX", ".DS_Store") or part.startswith("._") for part in path.parts)


def _lone_folder(folder: Path) -> Path:
    """Step into the one folder that an archive consists of."""
    inside = [path for path in folder.iterdir() if not is_litter(Path(path.name))]
    lone = len(inside) == 1 and inside[0].is_dir() and inside[0].name != "export_artifacts"
    return inside[0] if lone else folder
