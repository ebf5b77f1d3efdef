"""Processes of other users, without any capability: for root, who can become anybody."""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import edge_agent


class User(NamedTuple):
    """A user by number; no name need belong to it."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


def prefix(user: User) -> list[str]:
    """Give the command that runs another as `user`; skips the test where that can't be done."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    if reason := _reason_against(_opening()):
        pytest.skip(reason)
    return [*_opening(), *_becoming(user)]


def run_as(user: User, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python as `user`."""
    command = [*prefix(user), sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=180, cwd="/")


@contextlib.contextmanager
def resident(user: User, program: str, *arguments: str) -> Iterator[None]:
    """Run a Python program as `user` that prints a line when it is ready; its input ends with this context."""
    command = [*prefix(user), sys.executable, "-c", program, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline(), "it ended"
        yield
        process.stdin.close()


@contextlib.contextmanager
def common_folder() -> Iterator[Path]:
    """Give a folder that every user can enter, as pytest's can't be."""
    with tempfile.TemporaryDirectory(prefix="edge-agent-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def _becoming(user: User) -> list[str]:
    groups = f"--groups={','.join(map(str, user.groups))}" if user.groups else "--clear-groups"
    ids = [f"--reuid={user.uid}", f"--regid={user.gid}", groups]
    return ["setpriv", *ids, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]


@functools.cache
def _opening() -> tuple[str, ...]:
    """Give the command that lets other users see the program, where a folder above it is root's alone.

    The command runs in a mount namespace of its own. There such a folder is replaced by one that shows nothing but what
    the program is made of; nothing changes for anybody else.
    """
    needed = [Path(place).resolve() for place in (sys.base_prefix, sys.prefix, Path(edge_agent.__file__).parent)]
    closed = {parent for path in needed for parent in path.parents if not parent.stat().st_mode & 0o001}
    closed = {folder for folder in closed if not closed & set(folder.parents)}
    if not closed:
        return ()
    hidden = [path for path in needed if closed & set(path.parents)]
    lines = ["set -e", "umask 022", "stage=$(mktemp -d)", 'mount -t tmpfs tmpfs "$stage"']
    for number, path in enumerate(hidden):
        lines += [f'mkdir "$stage/{number}"', f'mount --bind {shlex.quote(str(path))} "$stage/{number}"']
    lines += [f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(folder))}" for folder in sorted(closed)]
    for number, path in enumerate(hidden):
        place = shlex.quote(str(path))
        lines += [f"mkdir -p {place}", f'mount --move "$stage/{number}" {place}']
    lines += ['umount "$stage"', 'rmdir "$stage"', 'exec "$@"']
    return ("unshare", "--mount", "--propagation=private", "sh", "-c", "; ".join(lines), "sh")


@functools.cache
def _reason_against(opening: tuple[str, ...]) -> str:
    """Return why no other user can run the program here; "" where one can."""
    program = "import edge_agent.serving.rpc.server, grpc"
    command = [*opening, *_becoming(User(64000, 64000)), sys.executable, "-c", program]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180, cwd="/")
    except FileNotFoundError as error:
        return f"{error.filename} is not there, which runs programs as another user"
    said = (done.stderr.strip() or "it said nothing").splitlines()[-1]
    return f"no other user can run {sys.executable} here: {said}" if done.returncode else ""
