"""Whether the libraries that most commands load end this process: a build for newer processors does, with SIGILL.

They are loaded in a fork first. That costs a tenth of a second, and there is no other way to say a sentence: who is
killed by a signal of this kind can't.
"""

from __future__ import annotations

import contextlib
import importlib
import os

from edge_agent.errors import EdgeAgentError

_MODULES = ("numpy", "cv2")


def check_libraries() -> None:
    """Load the libraries in a process of their own.

    Raises:
        EdgeAgentError: that was killed; the text names package, version, processor and signal. What ends with an
            exception of Python is not looked for here.
    """
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            for module in _MODULES:
                importlib.import_module(module)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        from edge_agent.hardware.library import describe_signal, fault_of

        for module in _MODULES:
            fault = fault_of(module)
            if fault is not None:
                raise EdgeAgentError(f"{fault.sentence}; what may help: {fault.remedy}")
        ended = describe_signal(os.WTERMSIG(status))
        raise EdgeAgentError(f"loading {' and '.join(_MODULES)} was ended by {ended}; another try went well")
