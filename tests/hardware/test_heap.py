"""Memory that was let go stays with the process, where the C library can be told so."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Together they are more than glibc keeps by itself; each is less than what is still given back.
_PROGRAM = """
import resource
from edge_agent.hardware.heap import keep_freed_memory
if {keep}:
    keep_freed_memory()
for number in range(10):
    pieces = [bytearray(b"x") * (16 << 20) for _ in range(4)]
    del pieces
    if number == 0:
        begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun)
"""


def _faults(*, keep: bool) -> int:
    """Count the pages that the kernel has to find for pieces of memory that were all there before."""
    program = [sys.executable, "-c", _PROGRAM.format(keep=keep)]
    return int(subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries can't be told")
def test_memory_that_was_let_go_is_not_asked_for_again() -> None:
    assert _faults(keep=True) < _faults(keep=False) / 5
