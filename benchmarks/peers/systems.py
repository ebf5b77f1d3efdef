"""All servers of a run, up at the same time, and the clients of each."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.peers import mlserver_server, triton_server
from benchmarks.peers.environment import PeerUnavailable
from benchmarks.peers.measuring import Cell, System
from benchmarks.peers.processes import ProcessEnded, surroundings
from benchmarks.peers.report import FLOOR, OURS
from benchmarks.peers.work import EMPTY, U8, Model, Strength, make_work
from benchmarks.rig import BareClient, daemon, empty_component, reference_component
from edge_agent.children.command import child_command
from edge_agent.client.client import Client as AgentClient
from edge_agent.component.manifest import Manifest

PEERS = {"triton": triton_server.prepare, "mlserver": mlserver_server.prepare}
_SERVERS = {"triton": triton_server.triton, "mlserver": mlserver_server.mlserver}


class Components(NamedTuple):
    """The agent's components for pictures of one size."""

    empty: Manifest
    reference: Manifest

    def of(self, cell: Cell) -> Manifest:
        """Return the one that the agent's clients call."""
        return self.reference if cell.model == "reference" else self.empty


class Peer(NamedTuple):
    """A server that is up."""

    python: Path
    address: str


def prepare_peers(wanted: Sequence[str]) -> dict[str, Path]:
    """Make the peers' environments; one that can't be run here is named and left out."""
    homes = {}
    for name in wanted:
        try:
            homes[name] = PEERS[name]()
        except PeerUnavailable as reason:
            print(f"without {name}: {reason}")
    return homes


class Servers:
    """What is up, and what it serves."""

    def __init__(
        self,
        models: Path,
        components: Mapping[tuple[int, int], Components],
        socket: str,
        peers: Mapping[str, Peer],
        floors: Mapping[tuple[int, int], str],
        strength: Strength,
    ) -> None:
        self._models, self._components, self._socket = models, components, socket
        self._peers, self._floors, self._strength = peers, floors, strength

    def systems(self, cell: Cell, picture: U8, pixels: Path) -> dict[str, System]:
        """Return what can be measured in a cell; every system's mask is compared first.

        Raises:
            ProcessEnded: the agent gives another mask than its own pipeline.
        """
        manifest = self._components[cell.width, cell.height].of(cell)
        folder = _folder(self._models, manifest)
        threads = self._strength.threads
        expected = bytes(make_work(EMPTY * (cell.model == "empty") + str(folder), threads)(picture).reshape(-1).data)
        if self._agents_mask(manifest, picture, cell) != expected:
            raise ProcessEnded(f"the agent gives another mask for {manifest.name} by {cell.way} than its pipeline")
        digest = hashlib.sha256(expected).hexdigest()
        size = [str(cell.width), str(cell.height)]
        ours = child_command("edge_agent.device.bench.client", self._socket, manifest.name, *size, str(pixels))
        systems = {OURS: System(ours)}
        if cell.model == "empty":
            floor = self._floors[cell.width, cell.height]
            systems[FLOOR] = System(child_command("edge_agent.device.bench.client", floor, "none", *size, str(pixels)))
        for name, peer in self._peers.items():
            if cell.way == "shared memory" and name == "mlserver":
                continue
            way = "values" if name == "mlserver" else cell.way
            command = [str(peer.python), "-m", "benchmarks.peers.kserve_client", peer.address]
            command += [f"{cell.model}-{cell.width}x{cell.height}", *size, str(pixels), way, digest]
            systems[name] = System(command)
        if cell.model == "reference":
            bare = [sys.executable, "-m", "benchmarks.peers.bare_client", str(folder), str(pixels), str(threads)]
            systems["bare"] = System([*bare, "arrays"], most_clients=1)
            if cell.way == "shared memory":
                systems["bare, segments"] = System([*bare, "segments"], most_clients=1)
        return systems

    def _agents_mask(self, manifest: Manifest, picture: U8, cell: Cell) -> bytes:
        if cell.way == "shared memory":
            with AgentClient(self._socket) as client:
                return np.asarray(client.detect(manifest.name, picture).mask).tobytes()
        by_bytes = BareClient(self._socket, manifest, picture, by="bytes")
        try:
            return by_bytes().anomaly_mask.byte_data
        finally:
            by_bytes.close()


@contextlib.contextmanager
def _floor(folder: Path, size: tuple[int, int]) -> Iterator[str]:
    """Run the server that does nothing, for pictures of this size; gives the address."""
    path = folder / f"floor-{size[0]}x{size[1]}"
    command = [sys.executable, "-m", "benchmarks.peers.floor_server", str(path), *map(str, size)]
    with subprocess.Popen(
        command, env=surroundings(), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise ProcessEnded("the server that does nothing has ended; its message stands above")
            yield f"unix://{path}"
        finally:
            process.terminate()


def _folder(models: Path, manifest: Manifest) -> Path:
    return models / manifest.name / manifest.version


@contextlib.contextmanager
def all_servers(
    folder: Path, sizes: Sequence[tuple[int, int]], homes: Mapping[str, Path], strength: Strength
) -> Iterator[Servers]:
    """Run the agent and the peers with all models, writing into `folder`.

    Raises:
        ProcessEnded: a peer did not get ready.
    """
    models = folder / "models"
    components = {
        size: Components(
            empty_component(models, *size),
            reference_component(models, *size),
        )
        for size in sizes
    }
    served = [
        Model(f"{kind}-{width}x{height}", f"{mark}{_folder(models, manifest)}", width, height)
        for (width, height), made in components.items()
        for kind, mark, manifest in (("empty", EMPTY, made.empty), ("reference", "", made.reference))
    ]
    # As many pictures may wait as eight clients send: the others have no such limit.
    flags = ["--instances", str(strength.instances), "--threads", str(strength.threads), "--queue-mib", "2048"]
    with contextlib.ExitStack() as stack:
        peers = {}
        for name, home in homes.items():
            place = folder / name
            place.mkdir()
            address = stack.enter_context(_SERVERS[name](home, place, served, strength))
            peers[name] = Peer(home / "bin" / "python", address)
        floors = {size: stack.enter_context(_floor(folder, size)) for size in sizes}
        socket, _ = stack.enter_context(daemon(models, *flags))
        with AgentClient(socket) as control:
            for made in components.values():
                for manifest in made:
                    control.start(manifest.name)
        yield Servers(models, components, socket, peers, floors, strength)
