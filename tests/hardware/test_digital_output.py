"""Digital outputs, through the real libgpiod: levels at the pin, and what is said where there is no such line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.gpio import MISSING, Chip

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

_BEGIN = """
import sys
from edge_agent.errors import OutputError
from edge_agent.hardware.digital_output import DigitalOutput
chip = sys.argv[1]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Chip:
    return Chip(tmp_path_factory.mktemp("gpio"))


@pytest.fixture
def chip(made: Chip) -> Chip:
    """The chip, with nothing told of it yet."""
    for name in ("levels", "broken"):
        (made.folder / name).unlink(missing_ok=True)
    return made


def run(chip: Chip, program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _BEGIN + program, str(chip.path)],
        env=chip.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_a_pulse_is_as_long_as_it_was_asked_for_and_the_line_is_inactive_before_and_after(chip: Chip) -> None:
    run(chip, "with DigitalOutput(chip, 3) as line: line.pulse(0.05); line.pulse(0.02)")
    levels = chip.levels(3)
    assert [level.high for level in levels] == [False, True, False, True, False, False]
    assert 0.05 <= levels[2].at - levels[1].at < 30
    assert 0.02 <= levels[4].at - levels[3].at < 30


def test_active_low_and_the_level_at_the_end(chip: Chip) -> None:
    line = "DigitalOutput(chip, 'REJECT', active_low=True, active_at_end=True)"
    run(chip, f"with {line} as line: line.set(True); line.set(False)")
    assert chip.highs(5) == [True, False, True, False]  # the last one is active, at the end


def test_a_pulse_that_is_interrupted_leaves_the_line_inactive(chip: Chip) -> None:
    run(
        chip,
        """
line = DigitalOutput(chip, 1)
def interrupted(seconds):
    raise KeyboardInterrupt
try:
    line.pulse(10, interrupted)
except KeyboardInterrupt:
    pass
""",
    )
    assert chip.highs(1) == [False, True, False]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("DigitalOutput('/dev/gpiochip9', 1)", "line 1 of /dev/gpiochip9 can't be used: No such file or directory"),
        ("DigitalOutput('/dev/null', 1)", "line 1 of /dev/null can't be used: "),
        ("DigitalOutput(chip, 8)", "line 8 of {chip} can't be used: the chip has lines 0 to 7"),
        ("DigitalOutput(chip, 'OTHER')", "line OTHER of {chip} can't be used: the chip has no line of that name"),
    ],
)
def test_a_line_that_is_not_there_is_one_clear_sentence(chip: Chip, line: str, said: str) -> None:
    found = run(chip, f"try:\n    {line}.open()\nexcept OutputError as error:\n    print(error)")
    assert said.format(chip=chip.path) in found


def test_a_line_belongs_to_one_at_a_time_and_a_chip_that_goes_is_an_error(chip: Chip) -> None:
    found = run(
        chip,
        """
import pathlib
with DigitalOutput(chip, 2) as line:
    try:
        DigitalOutput(chip, 2).open()
    except OutputError as error:
        print(error)
    broken = pathlib.Path(chip).with_name("broken")
    broken.touch()
    try:
        line.set(True)
    except OutputError as error:
        print(error)
DigitalOutput(chip, 2).open()  # it was let go, broken or not
""",
    )
    assert "Device or resource busy; somebody else has it" in found
    assert f"line 2 of {chip.path} can't be set: No such device" in found
