"""Which Debian packages the compiled parts of bundled wheels need: read from the ELF files, of any architecture.

Formats: elf(5), the dynamic section; PEP 600 for what a wheel's platform tag says of glibc.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB = 0, 1, 5

#: the only libraries that wheels may expect of the system (PEP 600, the manylinux policies), and where Debian has them
_DEBIAN_PACKAGES = {
    "libgcc_s.so.1": "libgcc-s1",
    "libgomp.so.1": "libgomp1",
    "libstdc++.so.6": "libstdc++6",
    "libz.so.1": "zlib1g",
}
_GLIBC = re.compile(r"(ld-linux-x86-64|ld-linux-aarch64|libc|libdl|libm|libpthread|libresolv|librt|libutil)\.so\.\d")


class UnknownLibrary(Exception):
    """A wheel needs a library that it does not bring along, and this table does not know."""


def needed_packages(site: Path) -> list[str]:
    """Return the Debian packages, as of a Depends field, that the shared objects below `site` need.

    Raises:
        UnknownLibrary: one of them needs a library that is neither there nor in the table.
    """
    objects = sorted(path for path in site.rglob("*.so*") if path.is_file())
    bundled = {path.name for path in objects}
    packages: set[str] = set()
    for path in objects:
        for library in needed_libraries(path.read_bytes()):
            if library in bundled or _GLIBC.fullmatch(library):
                continue
            if library not in _DEBIAN_PACKAGES:
                raise UnknownLibrary(f"{path.relative_to(site)} needs {library}: say in {__file__} who has it")
            packages.add(_DEBIAN_PACKAGES[library])
    return [f"libc6 (>= {glibc_version(site)})", *sorted(packages)]


def needed_libraries(data: bytes) -> list[str]:
    """Return the DT_NEEDED entries of a 64-bit little-endian ELF file (amd64 and arm64 are both)."""
    if data[:6] != b"\x7fELF\x02\x01":
        return []
    (table,) = struct.unpack_from("<Q", data, 32)
    entry_size, entries = struct.unpack_from("<HH", data, 54)
    loads: list[tuple[int, int, int]] = []
    dynamic = None
    for number in range(entries):
        kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", data, table + number * entry_size)
        if kind == _PT_LOAD:
            loads.append((address, offset, size))
        elif kind == _PT_DYNAMIC:
            dynamic = (offset, size)
    if dynamic is None:
        return []
    tags: list[tuple[int, int]] = []
    for tag, value in struct.iter_unpack("<qQ", data[dynamic[0] : dynamic[0] + dynamic[1] // 16 * 16]):
        if tag == _DT_NULL:
            break
        tags.append((tag, value))
    strings = next(
        value - address + offset
        for tag, value in tags
        if tag == _DT_STRTAB
        for address, offset, size in loads
        if address <= value < address + size
    )
    starts = [strings + value for tag, value in tags if tag == _DT_NEEDED]
    return [data[start : data.index(b"\0", start)].decode() for start in starts]


def glibc_version(site: Path) -> str:
    """Return the glibc that all wheels below `site` can do with, from their tags; 2.17 is the oldest with such tags."""
    minors = [17]
    for wheel in site.glob("*.dist-info/WHEEL"):
        text = wheel.read_text().replace("manylinux2014", "manylinux_2_17")
        # Several tags of one wheel mean the same file: the lowest is enough for it.
        if found := re.findall(r"^Tag: .*manylinux_2_(\d+)_", text, re.MULTILINE):
            minors.append(min(map(int, found)))
    return f"2.{max(minors)}"
