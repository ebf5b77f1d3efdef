"""The scripts that build the Debian package are no package themselves: they are imported as they import each other."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "packaging" / "debian"))
