"""A mapping of a file that somebody else may cut short at any moment: its bytes are zeros then, instead of SIGBUS.

A page of a mapping that lies behind the end of its file can't be touched: the kernel sends SIGBUS to the thread, which
would end the process. Here the signal's handler puts memory of our own in the mapping's place, and the instruction goes
on; `is_lost` says so to whoever looks afterwards. The signal comes while a byte of the mapping is copied or calculated
with, never in the middle of the interpreter, the allocator or a library's lock: so the handler may be Python, as long
as it raises nothing. Any other SIGBUS does what it did before. mmap(2), sigaction(2), signal-safety(7).
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import signal

import numpy as np

from edge_agent.inference.imaging.resize import U8

_SA_SIGINFO = 4  # linux/signal.h
_MAP_FIXED = 0x10  # linux/mman.h
_CODE_AT, _ADDRESS_AT = 8, 16  # in siginfo_t, on 64 bits: si_code, and si_addr

_Handler = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class _Action(ctypes.Structure):
    """struct sigaction of glibc and musl on x86-64 and aarch64."""

    _fields_ = (
        ("handler", ctypes.c_void_p),
        ("mask", ctypes.c_ubyte * 128),
        ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )


class GuardedMapping:
    """Bytes of an open file, shared with all who have it."""

    def __init__(self, descriptor: int, start: int, size: int, *, write: bool) -> None:
        """Map `size` bytes from `start` on, with all pages that are there.

        Raises:
            OSError: they can't be mapped, or not be guarded on this system.
        """
        if not _guard():
            raise OSError("mappings can't be guarded here")
        before = start % mmap.ALLOCATIONGRANULARITY
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if write else 0)
        try:
            self._map = mmap.mmap(
                descriptor, before + size, mmap.MAP_SHARED | mmap.MAP_POPULATE, protection, offset=start - before
            )
        except ValueError as error:  # the file is shorter
            raise OSError(str(error)) from None
        whole: U8 = np.frombuffer(self._map, np.uint8)
        #: uint8 [size]
        self.content = whole[before:]
        #: whether some of it was cut off when it was touched
        self.is_lost = False
        self._first, self._length = int(whole.ctypes.data), before + size
        _guarded[self._first] = self

    @property
    def size(self) -> int:
        """How many bytes are mapped."""
        return self._length

    def contains(self, address: int) -> bool:
        """Tell whether an address lies in it."""
        pages = -(-self._length // mmap.PAGESIZE)
        return self._first <= address < self._first + pages * mmap.PAGESIZE

    def lose(self) -> bool:
        """Put zeros in its place; tell whether that was possible."""
        self.is_lost = True
        protection, flags = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_FIXED
        return bool(_mmap()(self._first, self._length, protection, flags, -1, 0) == self._first)

    def close(self) -> None:
        """Give it up. Nobody may look at its content any more."""
        self.content = np.empty(0, np.uint8)
        self._map.close()
        del _guarded[self._first]


#: by their first address
_guarded: dict[int, GuardedMapping] = {}
_before = _Action()


@functools.cache
def _mmap() -> ctypes._NamedFuncPointer:
    # Of PyDLL: nobody else gets the interpreter while the handler runs.
    function = ctypes.PyDLL(None).mmap
    function.argtypes = (
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long,
    )  # fmt: skip
    function.restype = ctypes.c_size_t
    return function


@functools.cache
def _guard() -> bool:
    """Have the handler take SIGBUS, once for the process; False where that is not possible."""
    if ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    try:
        _mmap()
        _keep.append(_Handler(_on_sigbus))
    except (MemoryError, OSError, AttributeError):  # no memory may be made executable, say
        return False
    action = _Action(handler=ctypes.cast(_keep[0], ctypes.c_void_p), flags=_SA_SIGINFO)
    return not ctypes.PyDLL(None).sigaction(signal.SIGBUS, ctypes.byref(action), ctypes.byref(_before))


#: a handler is there as long as the process
_keep: list[ctypes._FuncPointer] = []


def _on_sigbus(number: int, info: int, _context: int) -> None:
    try:
        if ctypes.c_int.from_address(info + _CODE_AT).value > 0:  # the kernel's, and not sent by somebody
            address = ctypes.c_size_t.from_address(info + _ADDRESS_AT).value
            for mapping in _guarded.values():
                if mapping.contains(address):
                    if mapping.lose():
                        return
                    break
    except BaseException:  # noqa: S110  what follows ends the process, as without a guard
        pass
    ctypes.PyDLL(None).sigaction(number, ctypes.byref(_before), None)
    ctypes.PyDLL(None)["raise"](number)
