"""What a component recipe must fulfil to run on the classic Greengrass nucleus and on nucleus lite alike.

The recipe format is that of https://docs.aws.amazon.com/greengrass/v2/developerguide/component-recipe-reference.html.
Nucleus lite takes less of it and is strict where the format is not: keys are case sensitive, a manifest without
`runtime` is skipped, a `{` in a script that begins no known reference ends the script there, and there is neither a
`shutdown` nor a `recover` phase (https://github.com/aws-greengrass/aws-greengrass-lite, and found by running it).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from edge_agent.component.version import parse_version

MAX_BYTES = 8_195

_FORMAT = "2020-01-25"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
_TOP = {
    "RecipeFormatVersion", "ComponentName", "ComponentVersion", "ComponentType", "ComponentDescription",
    "ComponentPublisher", "ComponentConfiguration", "ComponentDependencies", "Manifests",
}  # fmt: skip
_ARCHITECTURES = ("amd64", "aarch64")
#: shutdown is for the classic nucleus; lite leaves it out
_PHASES = {"install", "run", "startup", "shutdown"}
_STEP = {"Script", "Setenv", "RequiresPrivilege", "Timeout"}
_ARTIFACT = {"Uri", "Unarchive", "Permission"}
_REFERENCE = re.compile(
    r"\{(?:artifacts:path|artifacts:decompressedPath|work:path|kernel:rootPath|iot:thingName|configuration:/[^{}\s]+)\}"
)
_REQUIREMENT = re.compile(r"(?:[<>]=?|=)\d+\.\d+\.\d+(?: (?:[<>]=?|=)\d+\.\d+\.\d+)*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_recipe(recipe: Mapping[str, Any], size: int) -> list[str]:
    """Return what is wrong with a recipe of `size` bytes, a sentence for each; none when it runs everywhere."""
    return list(_problems(recipe, size))


def _problems(recipe: Mapping[str, Any], size: int) -> Iterator[str]:
    if size > MAX_BYTES:
        yield f"the recipe has {size} bytes, expected at most {MAX_BYTES}"
    yield from _unknown(recipe, _TOP, "the recipe")
    if recipe.get("RecipeFormatVersion") != _FORMAT:
        yield f"RecipeFormatVersion is {recipe.get('RecipeFormatVersion')!r}, expected '{_FORMAT}'"
    if not _NAME.fullmatch(str(recipe.get("ComponentName", ""))):
        yield f"ComponentName is {recipe.get('ComponentName')!r}, expected letters, digits, '.', '_' and '-'"
    try:
        parse_version(str(recipe.get("ComponentVersion", "")))
    except ValueError as error:
        yield f"ComponentVersion: {error}"
    if any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in str(recipe.get("ComponentDescription", ""))):
        # Nucleus lite writes it into a unit file, where a line break begins another setting.
        yield "ComponentDescription has a line break or another control character, expected one line"
    if recipe.get("ComponentType", "aws.greengrass.generic") != "aws.greengrass.generic":
        yield "ComponentType must be aws.greengrass.generic"
    for name, dependency in recipe.get("ComponentDependencies", {}).items():
        yield from _dependency(name, dependency)
    manifests = recipe.get("Manifests") or []
    if not manifests:
        yield "Manifests is empty, expected at least one"
    for manifest in manifests:
        yield from _manifest(manifest)


def _unknown(found: Mapping[str, Any], known: set[str], where: str) -> Iterator[str]:
    for key in found:
        if key not in known:
            similar = next((word for word in known if word.lower() == key.lower()), None)
            hint = f"'{similar}'" if similar else f"one of {', '.join(sorted(known))}"
            yield f"{where} has the key '{key}', expected {hint}"


def _dependency(name: str, dependency: Mapping[str, Any]) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield f"the dependency {name!r} can't be the name of a component, expected letters, digits, '.', '_' and '-'"
    yield from _unknown(dependency, {"VersionRequirement", "DependencyType"}, f"the dependency {name}")
    requirement = str(dependency.get("VersionRequirement", ""))
    if not _REQUIREMENT.fullmatch(requirement):
        # Ranges such as ^1.0.0 and 1.x are npm's and do not resolve in local deployments.
        yield f"the dependency {name} requires version '{requirement}', expected one such as '>=1.0.0 <2.0.0'"
    if dependency.get("DependencyType") not in ("HARD", "SOFT"):
        yield f"the dependency {name} is {dependency.get('DependencyType')!r}, expected HARD or SOFT"


def _manifest(manifest: Mapping[str, Any]) -> Iterator[str]:
    yield from _unknown(manifest, {"Platform", "Lifecycle", "Artifacts"}, "a manifest")
    platform = manifest.get("Platform", {})
    yield from _unknown(platform, {"os", "architecture", "runtime"}, "Platform")
    if platform.get("os") != "linux":
        yield f"Platform.os is {platform.get('os')!r}, expected linux"
    if platform.get("runtime") != "*":
        yield f"Platform.runtime is {platform.get('runtime')!r}, expected '*': nucleus lite skips it otherwise"
    if platform.get("architecture", "amd64") not in _ARCHITECTURES:
        yield f"Platform.architecture is {platform['architecture']!r}, expected {' or '.join(_ARCHITECTURES)}"
    lifecycle = manifest.get("Lifecycle", {})
    yield from _unknown(lifecycle, {*_PHASES, "Setenv"}, "Lifecycle")
    if not {"run", "startup"} & set(lifecycle):
        yield "Lifecycle has neither run nor startup: nucleus lite never finishes a component without"
    if {"run", "startup"} <= set(lifecycle):
        yield "Lifecycle has both run and startup: nucleus lite runs startup alone"
    yield from _environment(lifecycle.get("Setenv", {}))
    for phase in _PHASES & set(lifecycle):
        yield from _step(phase, lifecycle[phase])
    for artifact in manifest.get("Artifacts", []):
        yield from _artifact(artifact)


def _step(phase: str, step: Any) -> Iterator[str]:
    if isinstance(step, str):
        step = {"Script": step}
    if not isinstance(step, Mapping):
        yield f"{phase} is a {type(step).__name__}, expected a script"
        return
    yield from _unknown(step, _STEP, phase)
    script = step.get("Script")
    if not isinstance(script, str) or not script.strip():
        yield f"{phase} has no Script"
        return
    yield from _environment(step.get("Setenv", {}))
    yield from _references(script, f"the script of {phase}")
    if phase == "startup" and not re.search(r"systemd-notify --ready \|\| true\s+exit 0\s*$", script):
        # On systemd 252 a script that ends at once is gone before its notification has been attributed to it.
        yield "the script of startup must end with 'systemd-notify --ready || true' and 'exit 0'"


def _references(text: str, where: str) -> Iterator[str]:
    rest = _REFERENCE.sub("", text)
    if "{" in rest:
        at = rest.index("{")
        yield f"{where} has a {rest[at : at + 20]!r} that begins no known reference: nucleus lite ends it there"


def _environment(variables: Any) -> Iterator[str]:
    if not isinstance(variables, Mapping):
        yield "Setenv is not a map of names and values"
        return
    for name, value in variables.items():
        if not _VARIABLE.fullmatch(name) or not isinstance(value, str):
            yield f"Setenv has {name}={value!r}, expected a name of letters and a text"
        else:
            yield from _references(value, f"the variable {name}")


def _artifact(artifact: Mapping[str, Any]) -> Iterator[str]:
    yield from _unknown(artifact, _ARTIFACT, "an artifact")
    if not str(artifact.get("Uri", "")).startswith("s3://"):
        yield f"an artifact's Uri is {artifact.get('Uri')!r}, expected s3://BUCKET/KEY"
    if artifact.get("Unarchive", "NONE") not in ("NONE", "ZIP"):
        yield f"an artifact's Unarchive is {artifact['Unarchive']!r}, expected NONE or ZIP"
