"""Writes test.sh's model to standard output; needs the Python package onnx and the checkout."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.fakes import echo_graph

if __name__ == "__main__":
    sys.stdout.buffer.write(echo_graph(64, 64, segmentation=False))
