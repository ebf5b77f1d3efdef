"""Target devices, platforms and compiler options."""

from __future__ import annotations

import pytest

from edge_agent.component.manifest import Target
from edge_agent.delivery.targets import combinations, is_known, target_device, target_platform
from edge_agent.errors import PackagingError

T4 = '{"gpu-code": "sm_75", "trt-ver": "7.1.3", "cuda-ver": "10.2"}'


def test_a_device_knows_its_options() -> None:
    options = {"gpu-code": "sm_72", "trt-ver": "8.2.1", "cuda-ver": "10.2"}
    assert target_device("jetson_xavier") == Target(
        arch="ARM64", accelerator="NVIDIA", device="jetson_xavier", compiler_options=options
    )


@pytest.mark.parametrize(
    ("platform", "options", "expected"),
    [
        ("LINUX/X86_64", None, {"mcpu": "core-avx2"}),
        ("LINUX/X86_64", '{"mcpu": "x86-64-v2"}', {"mcpu": "x86-64-v2"}),
        ("LINUX/ARM64", None, {}),
        ("LINUX/ARM64", '{"mcpu": "cortex-a78ae"}', {"mcpu": "cortex-a78ae"}),
        ("LINUX/X86_64/NVIDIA", T4, {"gpu-code": "sm_75", "trt-ver": "7.1.3", "cuda-ver": "10.2"}),
    ],
)
def test_a_platform_with_its_options(platform: str, options: str | None, expected: dict[str, str]) -> None:
    target = target_platform(platform, options)
    assert target.compiler_options == expected
    assert "/".join(part for part in (target.os, target.arch, target.accelerator) if part) == platform


@pytest.mark.parametrize(
    ("platform", "options", "said"),
    [
        ("WINDOWS/X86_64", None, "target platform 'WINDOWS/X86_64' is not OS/ARCH or OS/ARCH/ACCELERATOR, expected"),
        ("LINUX/X86_64/AMD", None, "target platform 'LINUX/X86_64/AMD' is not"),
        ("LINUX/X86_64/NVIDIA", None, "compiler option 'gpu-code' is missing: a target platform with NVIDIA needs"),
        (
            "LINUX/X86_64/NVIDIA",
            T4.replace("sm_75", "75"),
            "compiler option gpu-code is '75', expected one such as sm_72",
        ),
        (
            "LINUX/X86_64/NVIDIA",
            T4.replace("7.1.3", "7.1"),
            "compiler option trt-ver is '7.1', expected one such as 8.2.1",
        ),
        (
            "LINUX/X86_64/NVIDIA",
            T4.replace("10.2", "10"),
            "compiler option cuda-ver is '10', expected one such as 10.2",
        ),
        ("LINUX/X86_64/NVIDIA", T4.replace("gpu-code", "gpu_code"), "compiler option 'gpu_code' is not for an NVIDIA"),
        ("LINUX/X86_64", T4, "compiler option 'gpu-code' is not for a platform without an accelerator, expected mcpu"),
        ("LINUX/X86_64", '{"mcpu": "core-avx3"}', "compiler option mcpu is 'core-avx3', expected one of x86-64, "),
        ("LINUX/ARM64", '{"mcpu": "Cortex A78"}', "compiler option mcpu is 'Cortex A78', expected a name such as"),
        ("LINUX/X86_64", "{mcpu: core-avx2}", "compiler options '{mcpu: core-avx2}' are not valid JSON"),
        ("LINUX/X86_64", '["core-avx2"]', "are not a JSON object of strings"),
        ("LINUX/X86_64", '{"mcpu": 2}', "are not a JSON object of strings"),
    ],
)
def test_what_is_not_an_option_is_named(platform: str, options: str | None, said: str) -> None:
    with pytest.raises(PackagingError) as caught:
        target_platform(platform, options)
    assert said in str(caught.value)


def test_the_known_combinations_are_those_of_the_guide_and_of_today() -> None:
    known = {(row.hardware.split(" (")[0], *row.compiler_options.values()) for row in combinations()}
    assert known >= {
        ("NVIDIA Jetson AGX Xavier", "sm_72", "7.1.3", "10.2"),
        ("NVIDIA Jetson AGX Xavier", "sm_72", "8.2.1", "10.2"),
        ("NVIDIA T4", "sm_75", "7.1.3", "10.2"),
        ("NVIDIA A10G", "sm_80", "8.2.0", "11.2"),
        ("CPU", "core-avx2"),
    }
    assert {"sm_87", "sm_89"} <= {row.compiler_options.get("gpu-code") for row in combinations()}
    for row in combinations():  # what is listed is also accepted
        platform = "/".join(part for part in ("LINUX", row.arch, row.accelerator) if part)
        options = "{" + ", ".join(f'"{key}": "{value}"' for key, value in row.compiler_options.items()) + "}"
        assert is_known(target_platform(platform, options))
    assert not is_known(target_platform("LINUX/ARM64/NVIDIA", T4))
