"""The Debian package, made of a few small files in place of the wheels; packaging/debian/test.sh tests a whole one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from numpy.linalg import lapack_lite
from package_tree import Target, debian_version, write_package
from shared_libraries import UnknownLibrary, glibc_version, needed_libraries, needed_packages
from site_packages import trim

DEBIAN = Path(__file__).resolve().parents[2] / "packaging" / "debian"
TARGET = Target("arm64", "3.11", "Somebody <somebody@localhost>", 1_700_000_000)
#: small, and in need of a library that its wheel brings along
COMPILED = Path(lapack_lite.__file__)
NEEDED = needed_libraries(COMPILED.read_bytes())


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """What the wheels would be: our package, and a compiled one with a library that it brings along."""
    folder = tmp_path / "site"
    for name, version, fields, tag in (
        ("edge_agent", "1.2.0rc1", "License-Expression: Apache-2.0\n", "py3-none-any"),
        ("Fast.Math", "2.0", "License: BSD\n and some more\n", "cp311-cp311-manylinux_2_28_aarch64"),
    ):
        info = folder / f"{name.lower()}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{fields}\n")
        (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nTag: {tag}\n")
    (folder / "edge_agent").mkdir()
    (folder / "edge_agent" / "__init__.py").write_text("")
    (folder / "fast_math").mkdir()
    shutil.copy(COMPILED, folder / "fast_math" / "compiled.so")
    for library in NEEDED:
        (folder / "fast_math" / library).touch()
    return folder


@pytest.fixture
def package(site: Path, tmp_path: Path) -> Path:
    """The package of it."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    return write_package(site, tmp_path / "output", tmp_path / "work", TARGET)


def ask(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_what_the_package_says_of_itself(package: Path) -> None:
    assert package.name == "edge-agent_1.2.0~rc1_arm64.deb"
    fields = dict(line.split(": ", 1) for line in ask("dpkg-deb", "--field", package).splitlines() if ": " in line)
    assert fields["Version"] == "1.2.0~rc1"
    assert fields["Architecture"] == "arm64"
    assert fields["Maintainer"] == TARGET.maintainer
    depends = fields["Depends"].split(", ")
    assert depends[:2] == ["python3.11", "libc6 (>= 2.28)"]
    assert "systemd | systemd-standalone-sysusers" in depends
    assert int(fields["Installed-Size"]) * 1024 >= COMPILED.stat().st_size


def test_what_is_where(package: Path, tmp_path: Path) -> None:
    ask("dpkg-deb", "--extract", package, tmp_path / "root")
    root = tmp_path / "root"
    home = root / "usr/lib/edge-agent"
    assert (home / "bin/python3").readlink() == Path("/usr/bin/python3.11")
    assert (home / "lib/python3.11/site-packages/edge_agent/__init__.py").exists()
    assert "include-system-site-packages = false" in (home / "pyvenv.cfg").read_text()
    assert (root / "usr/bin/edge-agent").resolve() == home / "bin/edge-agent"
    assert (home / "bin/edge-agent").read_text().startswith("#!/usr/lib/edge-agent/bin/python3 -I\n")
    assert os.access(home / "bin/edge-agent", os.X_OK)
    for path in (
        "lib/systemd/system/edge-agent.service",
        "lib/systemd/system/edge-agent-studio.service",
        "lib/sysusers.d/edge-agent.conf",
        "lib/tmpfiles.d/edge-agent.conf",
    ):
        assert (root / "usr" / path).exists()
    assert (root / "etc/edge-agent/config.toml").exists()
    assert not (root / "var").exists()  # dpkg would remove what lies there with the package
    bundled = (root / "usr/share/doc/edge-agent/bundled.txt").read_text()
    assert bundled == "fast-math==2.0  # BSD\n"


def test_everything_belongs_to_root_and_has_one_time(package: Path) -> None:
    for line in ask("dpkg-deb", "--contents", package).splitlines():
        assert " root/root " in line
        assert "2023-11-14" in line


def test_the_same_contents_make_the_same_package(site: Path, package: Path, tmp_path: Path) -> None:
    for path in site.rglob("*.py"):
        os.utime(path, (1, 1))
    umask = os.umask(0o077)
    try:
        again = write_package(site, tmp_path / "output2", tmp_path / "work2", TARGET)
    finally:
        os.umask(umask)
    assert again.read_bytes() == package.read_bytes()


def test_the_configuration_is_kept_over_upgrades(package: Path, tmp_path: Path) -> None:
    ask("dpkg-deb", "--control", package, tmp_path / "control")
    assert (tmp_path / "control/conffiles").read_text() == "/etc/edge-agent/config.toml\n"
    for script in ("postinst", "prerm", "postrm"):
        assert os.access(tmp_path / "control" / script, os.X_OK)


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_maintainer_scripts_are_sh_and_stop_at_an_error(script: str) -> None:
    assert (DEBIAN / script).read_text().startswith("#!/bin/sh\nset -e\n")
    ask("sh", "-n", DEBIAN / script)


@pytest.mark.parametrize(
    ("version", "debian"),
    [("1.2.0", "1.2.0"), ("1.2.0rc1", "1.2.0~rc1"), ("1.2.0a2.dev3", "1.2.0~a2~dev3"), ("1.2.0.post1", "1.2.0.post1")],
)
def test_a_version_before_the_release_sorts_before_it(version: str, debian: str) -> None:
    assert debian_version(version) == debian
    if shutil.which("dpkg") is not None and "~" in debian:
        ask("dpkg", "--compare-versions", debian, "lt", "1.2.0")


def test_libraries_are_found_in_the_file() -> None:
    assert NEEDED
    if shutil.which("readelf") is not None:
        said = ask("readelf", "--wide", "--dynamic", COMPILED)
        assert [line.rpartition("[")[2].rstrip("]") for line in said.splitlines() if "(NEEDED)" in line] == NEEDED
    assert needed_libraries(b"#!/bin/sh") == []


def test_a_library_that_debian_has_is_depended_on(site: Path) -> None:
    assert needed_packages(site) == ["libc6 (>= 2.28)"]
    compiled, first = site / "fast_math/compiled.so", NEEDED[0].encode()
    compiled.write_bytes(compiled.read_bytes().replace(first, b"libz.so.1".ljust(len(first), b"\0")))
    assert needed_packages(site) == ["libc6 (>= 2.28)", "zlib1g"]


def test_a_library_that_nobody_brings_along_ends_the_build(site: Path) -> None:
    (site / "fast_math" / NEEDED[0]).unlink()
    with pytest.raises(UnknownLibrary, match=rf"fast_math/compiled\.so needs {NEEDED[0]}"):
        needed_packages(site)


def test_glibc_is_what_the_most_demanding_wheel_needs(site: Path) -> None:
    assert glibc_version(site) == "2.28"
    wheel = site / "fast.math-2.0.dist-info/WHEEL"
    wheel.write_text("Tag: cp311-cp311-manylinux_2_28_x86_64\nTag: cp311-cp311-manylinux2014_x86_64\n")
    assert glibc_version(site) == "2.17"


def test_what_only_installers_and_developers_need_is_left_out(site: Path) -> None:
    info = site / "fast.math-2.0.dist-info"
    left_out = [site / "bin/tool", info / "RECORD", info / "direct_url.json", site / "fast_math/tests/test_all.py"]
    kept = [info / "METADATA", info / "licenses/LICENSE", site / "fast_math/testing.py"]
    for path in left_out + kept:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    trim(site)
    assert not [path for path in left_out if path.exists()]
    assert all(path.exists() for path in kept)


def test_the_folder_packaging_does_not_shadow_the_package_of_that_name() -> None:
    program = "import packaging, packaging.version; print(packaging.__file__)"
    where = subprocess.run(
        [sys.executable, "-c", program], cwd=DEBIAN.parents[1], check=True, capture_output=True, text=True
    ).stdout
    assert "site-packages" in where
