"""The settings of the daemon: one typed class, from which the command line and docs/settings.md are made.

Strongest first: flags, EDGE_AGENT_* variables, a TOML file, the defaults here.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT_SOCKET = "unix:///tmp/aws.iot.lookoutvision.EdgeAgent.sock"  # where existing clients look
DEFAULT_CONFIG = Path("/etc/edge-agent/config.toml")
_PREFIX = "EDGE_AGENT_"
#: tables, which are neither flags nor variables
ONLY_IN_FILE = ("event", "buckets")
_MIB = 1 << 20
#: what is in the name of a setting whose value is nobody's business
_SECRET = re.compile("password|secret|token")


def default_state_dir() -> str:
    """Return systemd's STATE_DIRECTORY, /var/lib/edge-agent for root, and a folder of the user's home otherwise."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return given.partition(":")[0]
    if os.geteuid() == 0:
        return "/var/lib/edge-agent"
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return str(Path(base).expanduser() / "edge-agent")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set. Each field is a flag, a variable and a key of the TOML file."""

    socket: Annotated[str, Meta(description="address that clients connect to, unix:///PATH")] = DEFAULT_SOCKET
    socket_mode: Annotated[str, Meta(pattern="^0?[0-7]{3}$", description="permissions of the socket, in octal")] = (
        "0660"
    )
    socket_group: Annotated[str, Meta(description="group of the socket; empty: the daemon's own")] = ""
    control_group: Annotated[
        str,
        Meta(
            description="group whose members may start and stop models, as root and the daemon's user may; "
            "empty: whoever may connect"
        ),
    ] = ""
    model_dir: Annotated[
        tuple[str, ...], Meta(description="folders of model components; empty: the folder models of the state folder")
    ] = ()
    registry: Annotated[
        str,
        Meta(description="folder where deployed components register; empty: the folder registry of the state folder"),
    ] = ""
    state_dir: Annotated[str, Meta(min_length=1, description="folder for what has to survive a restart")] = (
        msgspec.field(default_factory=default_state_dir)
    )
    pin: Annotated[
        dict[str, str], Meta(description="serve this version of a component instead of the newest, NAME=VERSION")
    ] = {}
    require_signature: Annotated[
        bool, Meta(description="serve only model components that are signed with a trusted key; see security.md")
    ] = False
    trusted_key: Annotated[
        tuple[str, ...],
        Meta(description="PEM files of the public keys that signatures are checked with, or folders of *.pem"),
    ] = ()
    engine: Annotated[
        Literal["auto", "tensorrt", "onnxruntime-tensorrt", "onnxruntime-cuda", "onnxruntime-cpu"],
        Meta(description="what executes the models; auto: what the component asks for, or the fastest that is there"),
    ] = "auto"
    precision: Annotated[
        Literal["component", "fp32", "fp16", "int8"],
        Meta(description="what a GPU computes in; component: what the component's manifest says"),
    ] = "component"
    batch: Annotated[
        int,
        Meta(
            ge=0,
            le=64,
            description="pictures of several clients inspected at once, where the model allows it; "
            "0: 8 on a GPU, 1 on the processor",
        ),
    ] = 0
    batch_seconds: Annotated[
        float, Meta(ge=0, le=1, description="how long a picture may wait for others to be inspected with")
    ] = 0.002
    plan_dir: Annotated[
        str, Meta(description="folder of TensorRT plans built on this device; empty: plans of the state folder")
    ] = ""
    plan_mib: Annotated[
        int, Meta(ge=1, description="MiB of plans that are kept; the longest unused are deleted first")
    ] = 4096
    cpu_fallback: Annotated[
        bool, Meta(description="let the processor run components that were packaged for an NVIDIA GPU")
    ] = False
    instances: Annotated[int, Meta(ge=1, le=64, description="worker processes of each running model")] = 1
    threads: Annotated[
        int,
        Meta(ge=0, le=1024, description="threads of each worker's engine; 0: one a core, or what a CPU quota leaves"),
    ] = 0
    queue_size: Annotated[int, Meta(ge=0, le=100_000, description="calls that may wait for a model's workers")] = 16
    queue_mib: Annotated[
        int, Meta(ge=1, description="MiB of pictures sent as bytes that may wait for a model's workers")
    ] = 256
    inline_mask_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="bytes of the largest mask that is put into an answer where the client gave no segment for it; "
            "larger ones are left out; 0: all of them",
        ),
    ] = 64 << 20
    start_seconds: Annotated[
        float, Meta(gt=0, description="how long a model may take to start before its workers are killed")
    ] = 600.0
    build_seconds: Annotated[
        float, Meta(gt=0, description="how long a model may take to start when a TensorRT plan is built for it")
    ] = 7200.0
    call_seconds: Annotated[
        float,
        Meta(gt=0, description="how long one picture may take before its worker is taken to hang and is killed"),
    ] = 30.0
    drain_seconds: Annotated[
        float, Meta(ge=0, description="how long a stop waits for the calls in flight before it kills")
    ] = 10.0
    first_restart: Annotated[
        float, Meta(gt=0, description="seconds before a model that died is started again; doubles each time")
    ] = 0.5
    longest_restart: Annotated[float, Meta(gt=0, description="where that doubling ends, in seconds")] = 60.0
    scan_seconds: Annotated[float, Meta(gt=0, description="how often the model folders are looked at")] = 1.0
    memory_reserve_mib: Annotated[
        int, Meta(ge=0, description="MiB that must stay available on the device when a model is started")
    ] = 64
    records: Annotated[Literal["on", "off"], Meta(description="whether verdicts are written down; see records.md")] = (
        "on"
    )
    records_days: Annotated[int, Meta(ge=1, le=36_500, description="days that records are kept")] = 90
    records_mib: Annotated[
        int, Meta(ge=8, description="MiB of records that are kept; the oldest are deleted first")
    ] = 1024
    drift_pictures: Annotated[
        int,
        Meta(
            ge=0,
            description="the scores of so many last pictures are compared with those of training or of the first "
            "weeks; 0: not at all; see records.md",
        ),
    ] = 500
    device_name: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9._-]{0,64}$", description="what events call this device; empty: its host name")
    ] = ""
    event: Annotated[
        tuple[dict[str, Any], ...],
        Meta(description="who is told of which verdicts: [[event]] tables of the file, as events.md says"),
    ] = ()
    buckets: Annotated[
        dict[str, str],
        Meta(
            description="(edge-agent studio and cloud) what the names of buckets stand for: the table [buckets] of the "
            "file, each a folder or the address of another S3, https://HOST:PORT/BUCKET; see cloud.md"
        ),
    ] = {}
    keep_mib: Annotated[int, Meta(ge=0, description="MiB of pictures that are kept; 0: none; see records.md")] = 0
    keep: Annotated[
        tuple[str, ...],
        Meta(
            description="which pictures are kept: asked (by the client), anomalous, near=0.05 (score so close to the "
            "threshold), normal=100 (every 100th), disagreement (of a shadow model); each has an equal share of "
            "keep_mib"
        ),
    ] = ("asked", "anomalous", "near=0.05", "normal=100", "disagreement")
    keep_format: Annotated[Literal["png", "jpeg"], Meta(description="how pictures are kept: png is lossless")] = "png"
    live: Annotated[
        Literal["on", "off"],
        Meta(description="whether the newest pictures are shown to who watches the line; see studio.md"),
    ] = "on"
    metrics: Annotated[
        str, Meta(description="address that Prometheus asks for metrics, HOST:PORT or unix:///PATH; empty: none")
    ] = ""
    traces: Annotated[
        str,
        Meta(
            pattern="^(https?://.+)?$",
            description="OTLP/HTTP collector that gets a span of each call, http://HOST:4318; needs the extra otel",
        ),
    ] = ""
    audit: Annotated[
        Literal["on", "off"],
        Meta(description="whether who did what to which model is written down; see operation.md"),
    ] = "on"
    audit_mib: Annotated[int, Meta(ge=1, description="MiB of that which are kept; the oldest are deleted first")] = 64
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="least level logged")] = "info"
    log_format: Annotated[
        Literal["text", "json"],
        Meta(description="how log lines are written; text goes to systemd's journal with fields, where it is there"),
    ] = "text"

    @property
    def socket_path(self) -> Path:
        """The path of the socket."""
        return socket_path(self.socket)

    @property
    def model_dirs(self) -> list[Path]:
        """The folders of model components."""
        return [Path(path) for path in self.model_dir] or [Path(self.state_dir) / "models"]

    @property
    def plans(self) -> Path:
        """The folder of plans built on this device."""
        return Path(self.plan_dir) if self.plan_dir else Path(self.state_dir) / "plans"

    @property
    def registry_dir(self) -> Path:
        """The folder where deployed components register."""
        return Path(self.registry) if self.registry else Path(self.state_dir) / "registry"

    def __post_init__(self) -> None:
        check_address(self.socket)
        if self.metrics:
            check_metrics_address(self.metrics)


def choices_of(field: str) -> tuple[str, ...]:
    """Return the words that a setting may have; () where it is not one of a few."""
    kind = get_args(get_type_hints(Settings, include_extras=True)[field])[0]
    return get_args(kind) if get_origin(kind) is Literal else ()


def socket_path(socket: str) -> Path:
    """Return the path of an address that check_address has found to be good."""
    return Path(socket.removeprefix("unix://").removeprefix("unix:"))


def check_address(socket: str) -> None:
    """Raise ValueError unless `socket` is the absolute address of a Unix socket that Linux can bind."""
    path = socket.removeprefix("unix://").removeprefix("unix:")
    wrong = f"socket {socket!r} is not an address such as {DEFAULT_SOCKET}"
    if socket.startswith(("unix-abstract:", "@", "\0")) or path.startswith(("@", "\0")):
        raise ValueError(f"{wrong}: an abstract socket has no owner and mode, so that nothing says who may connect")
    if not socket.startswith("unix:"):
        raise ValueError(wrong)
    if not path.startswith("/"):
        raise ValueError(f"{wrong}: it is relative; the absolute one would be unix://{Path(path).absolute()}")
    if len(path.encode()) > 107:  # sun_path of unix(7), with its closing zero
        raise ValueError(f"socket path {path!r} has {len(path.encode())} bytes, expected at most 107")


def check_metrics_address(address: str) -> None:
    """Raise ValueError unless `address` is one of a Unix socket, or a host and a port."""
    if address.startswith("unix:"):
        check_address(address)
        return
    host, port = split_host(address)
    if not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise ValueError(f"metrics {address!r} is not an address such as 127.0.0.1:9464, [::1]:9464 or unix:///PATH")


def split_host(address: str) -> tuple[str, str]:
    """Split HOST:PORT; an IPv6 address stands in brackets."""
    host, _, port = address.rpartition(":")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        return "", port
    return host.strip("[]"), port


def load_settings(
    flags: Mapping[str, Any], *, config: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Merge flags, variables and a TOML file.

    Raises:
        SettingsError: a value has the wrong type or is out of range, a key is unknown, or the file can't be read.
    """
    chosen = config or (Path(environ[_PREFIX + "CONFIG"]) if environ.get(_PREFIX + "CONFIG") else None)
    if chosen is None and DEFAULT_CONFIG.exists():
        chosen = DEFAULT_CONFIG
    sources: list[tuple[str, Mapping[str, Any]]] = []
    if chosen is not None:
        sources.append((str(chosen), _read_toml(chosen)))
    sources.append(("the environment", _read_environ(environ)))
    sources.append(("the command line", flags))
    merged: dict[str, Any] = {}
    for origin, values in sources:
        _convert(values, origin)  # so that the message names the source that is wrong
        merged.update(values)
    return _convert(merged, "the settings")


def _convert(values: Mapping[str, Any], origin: str) -> Settings:
    try:
        return msgspec.convert(dict(values), Settings, strict=False)
    except msgspec.ValidationError as error:
        text = str(error).replace("`", "'").replace(" - at '$.", " at setting '")
        field = text.rpartition(" at setting '")[2].rstrip("'")
        known = choices_of(field) if text.startswith("Invalid enum value") else ()
        expected = f", expected one of {', '.join(known)}" if known else ""
        raise SettingsError(f"in {origin}: {text}{expected}") from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text())
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {describe_refusal(error, path)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None
    return values


def _read_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in Settings.__struct_fields__:
        if field in ONLY_IN_FILE:
            continue
        text = environ.get(_PREFIX + field.upper())
        if text is None:
            continue
        if field in ("model_dir", "trusted_key"):
            values[field] = [part for part in text.split(":") if part]
        elif field == "keep":
            values[field] = [part.strip() for part in text.split(",") if part.strip()]
        elif field == "pin":
            values[field] = parse_pins(text.split(","))
        else:
            values[field] = text
    return values


def parse_pins(pins: list[str]) -> dict[str, str]:
    """Read NAME=VERSION pairs; SettingsError for what is not one."""
    parsed: dict[str, str] = {}
    for pin in filter(None, pins):
        name, equals, version = pin.partition("=")
        if not (name and equals and version):
            raise SettingsError(f"pin {pin!r} is not NAME=VERSION")
        parsed[name] = version
    return parsed


def queue_bytes(settings: Settings) -> int:
    """Return `queue_mib` in bytes."""
    return settings.queue_mib * _MIB


def plan_bytes(settings: Settings) -> int:
    """Return `plan_mib` in bytes."""
    return settings.plan_mib * _MIB


def audit_bytes(settings: Settings) -> int:
    """Return `audit_mib` in bytes."""
    return settings.audit_mib * _MIB


def shown_settings(settings: Settings) -> dict[str, Any]:
    """Return all settings as they may be written down and handed on: a secret's value is left out."""
    values: dict[str, Any] = msgspec.to_builtins(settings)
    return {name: "(not shown)" if _SECRET.search(name) and value else value for name, value in values.items()}


def memory_reserve(settings: Settings) -> int:
    """Return `memory_reserve_mib` in bytes."""
    return settings.memory_reserve_mib * _MIB
