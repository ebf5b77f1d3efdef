"""What is available: the machine's memory, or less in a control group with a limit."""

from __future__ import annotations

from pathlib import Path

from edge_agent.serving.lifecycle.memory import available_bytes


def _device(folder: Path, cgroup: str) -> tuple[Path, Path]:
    proc, groups = folder / "proc", folder / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal: 8000 kB\nMemFree: 100 kB\nMemAvailable:    4000 kB\n")
    (proc / "self" / "cgroup").write_text(cgroup)
    (groups / "system.slice" / "agent.service").mkdir(parents=True)
    return proc, groups


def test_without_control_groups(tmp_path: Path) -> None:
    proc, _ = _device(tmp_path, "")
    assert available_bytes(proc, tmp_path / "nothing") == 4000 * 1024


def test_the_tightest_limit_above_counts(tmp_path: Path) -> None:
    proc, groups = _device(tmp_path, "0::/system.slice/agent.service\n")
    (groups / "system.slice" / "agent.service" / "memory.max").write_text("max\n")
    (groups / "system.slice" / "memory.max").write_text("3000000\n")
    (groups / "system.slice" / "memory.current").write_text("1000000\n")
    assert available_bytes(proc, groups) == 2_000_000


def test_a_group_over_its_limit_has_nothing_left(tmp_path: Path) -> None:
    proc, groups = _device(tmp_path, "0::/system.slice/agent.service\n")
    (groups / "system.slice" / "agent.service" / "memory.max").write_text("1000\n")
    (groups / "system.slice" / "agent.service" / "memory.current").write_text("2000\n")
    assert available_bytes(proc, groups) == 0
