"""The recipe of a model component: how it registers with the agent when it is deployed, and withdraws."""

from __future__ import annotations

import json
from typing import Any, Literal

from edge_agent.component.manifest import Target
from edge_agent.delivery.recipe_rules import check_recipe
from edge_agent.errors import PackagingError
from edge_agent.version import __version__

RecipeFormat = Literal["json", "yaml"]

#: how the agent's own component is called, unless a fleet knows it by another name
DEFAULT_AGENT = "EdgeAgent"
#: where the agent's component looks for registrations; a folder that every nucleus user can be let into
REGISTRY = "/var/lib/edge-agent/registry"

#: the nucleus's words for architectures
ARCHITECTURES = {"X86_64": "amd64", "ARM64": "aarch64"}
_STARTUP_SECONDS = 600

# No curly brackets but the nucleus's own references: see recipe_rules.py. A local deployment does not unpack archives,
# hence the second place, whose folder gets its name when it is complete and on the disk. The link is replaced in one
# step: the agent sees the old one or the new one. The folder that the link named before stays, because workers run from
# it until the new version serves, and the deployment may be given up. A note of it is left in the registry: the agent
# removes note and folder when the new version serves (serving/catalogue/predecessors.py). A folder without a note is
# one that the agent was not allowed to remove. A version that is deployed again may just be what the agent removes: it
# looks at the link once the folder has another name, and this looks at the folder once the link is made and what is
# half removed is gone, so that one of them sees the other. Both may remove the same at once, which rm takes for
# an error: it must not end the script.
_STARTUP = """\
set -eu
waited=0
while [ ! -d "$EDGE_AGENT_REGISTRY" ]; do
  if [ $waited -ge @PATIENCE@ ]; then
    echo "$EDGE_AGENT_REGISTRY is not there: deploy the agent, or set Registry to its folder" >&2
    exit 1
  fi
  waited=$((waited + 1))
  sleep 1
done
notes="$EDGE_AGENT_REGISTRY/.@NAME@.before-"
for try in 1 2 3; do
  folder="{artifacts:decompressedPath}/@STEM@"
  if [ ! -e "$folder/manifest.json" ]; then
    folder="{work:path}/@VERSION@-@SHORT@"
    rm -f "$notes$(basename "$folder")"
    if [ ! -s "$folder/manifest.json" ]; then
      echo "@SHA256@  {artifacts:path}/@STEM@.zip" | sha256sum --check --quiet
      new="$folder.$$"
      rm -rf "$folder" "$new"
      python3 -I -m zipfile -e "{artifacts:path}/@STEM@.zip" "$new"
      chmod a+rX "{work:path}"
      chmod -R a+rX "$new"
      sync
      mv -T "$new" "$folder" || rm -rf "$new"
    fi
  fi
  before=$(readlink "$EDGE_AGENT_REGISTRY/@NAME@" || true)
  case "$before" in
    "$folder") ;;
    "{work:path}"/*) ln -sfn "$before" "$notes$(basename "$before")" ;;
  esac
  ln -sfn "$folder" "$EDGE_AGENT_REGISTRY/.@NAME@.new"
  mv -fT "$EDGE_AGENT_REGISTRY/.@NAME@.new" "$EDGE_AGENT_REGISTRY/@NAME@"
  for other in "{work:path}"/*-????????????; do
    if [ "$other" != "$folder" ] && [ ! -L "$notes$(basename "$other")" ]; then rm -rf "$other" || true; fi
  done
  rm -rf "{work:path}"/*-????????????.[0-9]* || true
  if [ -s "$folder/manifest.json" ]; then break; fi
  if [ $try = 3 ]; then
    echo "@NAME@ @VERSION@ could not be registered: $folder/manifest.json is not there or empty" >&2
    exit 1
  fi
  echo "$folder was taken away while it was registered" >&2
done
echo "@NAME@ @VERSION@ is registered in $EDGE_AGENT_REGISTRY"
systemd-notify --ready || true
exit 0
"""

# For the classic nucleus, which also ends the version before with it. Lite deletes the artifacts, and a link to what is
# not there says nothing.
_SHUTDOWN = """\
link="$EDGE_AGENT_REGISTRY/@NAME@"
folder=$(readlink "$link" || true)
case "$folder" in
  "{artifacts:decompressedPath}"*) rm -f "$link" ;;
  "{work:path}"*)
    ln -sfn "$folder" "$EDGE_AGENT_REGISTRY/.@NAME@.before-$(basename "$folder")"
    rm -f "$link"
    ;;
esac
exit 0
"""


def model_recipe(
    *,
    name: str,
    version: str,
    description: str,
    target: Target,
    stem: str,
    sha256: str,
    artifact_uri: str | None,
    agent: str,
) -> dict[str, Any]:
    """Make the recipe; `artifact_uri` is None for local deployments, which find the artifact in their folder.

    The agent is a SOFT dependency: the nucleus deploys it with the model, and restarts neither the model's component
    nor the clients that depend on it when the agent is updated.
    """
    manifest: dict[str, Any] = {
        "Platform": {"os": "linux", "architecture": ARCHITECTURES[target.arch], "runtime": "*"},
        "Lifecycle": {
            "Setenv": {"EDGE_AGENT_REGISTRY": "{configuration:/Registry}"},
            "startup": {"Script": _fill(_STARTUP, name, version, stem, sha256), "Timeout": _STARTUP_SECONDS},
            "shutdown": {"Script": _fill(_SHUTDOWN, name, version, stem, sha256)},
        },
    }
    if artifact_uri is not None:
        manifest["Artifacts"] = [zip_artifact(artifact_uri)]
    recipe: dict[str, Any] = {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": name,
        "ComponentVersion": version,
        "ComponentType": "aws.greengrass.generic",
        "ComponentDescription": description,
        "ComponentPublisher": "edge-agent",
        "ComponentConfiguration": {"DefaultConfiguration": {"Registry": REGISTRY}},
        "Manifests": [manifest],
    }
    if agent:
        recipe["ComponentDependencies"] = {
            agent: {"VersionRequirement": f">={__version__} <2.0.0", "DependencyType": "SOFT"}
        }
    return recipe


def zip_artifact(uri: str) -> dict[str, Any]:
    """Return a recipe's entry for a zip that the nucleus unpacks for every user; folders need Execute."""
    return {"Uri": uri, "Unarchive": "ZIP", "Permission": {"Read": "ALL", "Execute": "ALL"}}


def _fill(script: str, name: str, version: str, stem: str, sha256: str) -> str:
    values = {"NAME": name, "VERSION": version, "STEM": stem, "SHA256": sha256, "SHORT": sha256[:12]}
    for key, value in {**values, "PATIENCE": str(_STARTUP_SECONDS // 2)}.items():
        script = script.replace(f"@{key}@", value)
    return script


def write_recipe(recipe: dict[str, Any], form: RecipeFormat) -> bytes:
    """Write a recipe as JSON or YAML.

    Raises:
        PackagingError: a nucleus would refuse it, or PyYAML is not there.
    """
    data = _to_yaml(recipe) if form == "yaml" else _to_json(recipe)
    problems = check_recipe(recipe, len(data))
    if problems:
        raise PackagingError("the recipe would be refused: " + "; ".join(problems))
    return data


def _to_json(recipe: dict[str, Any]) -> bytes:
    return (json.dumps(recipe, indent=2, ensure_ascii=False) + "\n").encode()


def _to_yaml(recipe: dict[str, Any]) -> bytes:
    try:
        import yaml
    except ImportError:
        raise PackagingError("a recipe in YAML needs PyYAML: install edge-agent with its extra [greengrass]") from None

    class Dumper(yaml.SafeDumper):
        """Scripts in block style, to be read."""

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    written: str = yaml.dump(recipe, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120)
    return written.encode()
