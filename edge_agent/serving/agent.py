"""The agent without its transport: what the five calls do, for the RPC server, the command line and tests alike."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from edge_agent.access.control import Control
from edge_agent.access.peer import Peer, program_of
from edge_agent.component.trust import Trust
from edge_agent.component.version import check_name
from edge_agent.errors import EdgeAgentError, InvalidRequest, ModelNotFound, WrongState
from edge_agent.inference.engines.options import EngineOptions
from edge_agent.inference.imaging.bitmap import check_byte_count, check_place, check_size
from edge_agent.records.live.place import LivePlace
from edge_agent.records.options import PicturesOptions, RecordsOptions
from edge_agent.records.pictures.child import PictureKeeping
from edge_agent.records.record import Origin
from edge_agent.records.recorder import Recorder
from edge_agent.records.shadow.wanted import Named
from edge_agent.serving.catalogue.catalogue import Catalogue, Component, Entry
from edge_agent.serving.catalogue.lookout import Lookout
from edge_agent.serving.catalogue.predecessors import Predecessors
from edge_agent.serving.contract import Description, DetectRequest
from edge_agent.serving.lifecycle.memory import check_memory
from edge_agent.serving.lifecycle.model import Model
from edge_agent.serving.lifecycle.options import ModelOptions
from edge_agent.serving.lifecycle.remembered import RememberedModels
from edge_agent.serving.lifecycle.state import Status
from edge_agent.serving.observing.observer import Observer
from edge_agent.serving.observing.readings import ModelReading
from edge_agent.serving.shadowing.shadows import First, Shadows
from edge_agent.serving.workers.calls import Call, Enclosed, OnAnswer, OnStages
from edge_agent.serving.workers.cameras import Cameras
from edge_agent.serving.workers.parcels import ParcelShelf
from edge_agent.serving.workers.pool import PoolOptions
from edge_agent.settings import Settings, memory_reserve, queue_bytes

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0  # that a call waits for a look at the model folders


class Agent:
    """Owns the catalogue and the models; lives in one event loop."""

    def __init__(self, settings: Settings, observer: Observer) -> None:
        """Read what is remembered; nothing is started yet. `observer` is told of the models.

        Raises:
            SettingsError: control_group is not a group of this device, or it can't be told whom to trust.
        """
        self._settings, self._observer = settings, observer
        self._control = Control(settings.control_group)
        trust = Trust.of(settings)
        if trust.keys:
            log.info("signatures: %s", trust)
        self._catalogue = Catalogue.of(settings, trust)
        self._models: dict[str, Model] = {}
        #: memory for pixels that travel inside messages
        self.shelf = ParcelShelf()
        self._remembered = RememberedModels(Path(settings.state_dir))
        self._to_resume = set(self._remembered.names)
        #: how the pictures of each model look
        self.cameras = Cameras(Path(settings.state_dir))
        pictures = PicturesOptions.of(settings)
        self._live = LivePlace(Path(settings.state_dir), is_on=settings.live == "on")
        self._options = ModelOptions(
            pool=PoolOptions(
                settings.instances,
                EngineOptions.of(settings),
                settings.batch_seconds,
                settings.queue_size,
                queue_bytes(settings),
                settings.call_seconds,
                settings.start_seconds,
                settings.build_seconds,
                trust,
                None if pictures is None else pictures.keeping,
                settings.inline_mask_bytes,
                self.cameras,
                str(Path(settings.state_dir) / "shadows") if settings.records == "on" else "",
                live=self._live.told,
            ),
            drain_seconds=settings.drain_seconds,
            first_restart=settings.first_restart,
            longest_restart=settings.longest_restart,
            memory_reserve=memory_reserve(settings),
        )
        #: who writes verdicts down; None: nobody
        records = RecordsOptions.of(settings)
        self.recorder = Recorder(records) if settings.records == "on" else None
        #: models that judge beside others; None where nobody would write down what they say
        self.shadows: Shadows | None = None
        if self.recorder is not None:
            self.cameras.on_change = self.recorder.camera
            observer.on_refused = self._note_refused
            state_dir, level = Path(settings.state_dir), settings.log_level
            self.shadows = Shadows(state_dir, self._options.pool, self.recorder, level)
        #: who keeps pictures; None: nobody
        self.pictures = None if pictures is None else PictureKeeping(pictures)
        #: called when a model has come, changed its status, or gone
        self.watchers: set[Callable[[], None]] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._lookout = Lookout(self._catalogue.scan, self._apply)
        self._predecessors = Predecessors(settings.registry_dir)

    # Life

    async def open(self) -> None:
        """Look at the model folders for the first time, and start the models that ran before."""
        if self.recorder is not None:
            self.recorder.open()
        if self.pictures is not None:
            self.pictures.open()
        self._live.open()
        await self._lookout.look()
        self._watcher = asyncio.get_running_loop().create_task(self._watch())

    async def close(self, drain_seconds: float) -> None:
        """Let the calls in flight finish, for so long at the most, and end all workers."""
        if self._watcher is not None:
            self._watcher.cancel()
        await asyncio.gather(*(model.shut_down(drain_seconds) for model in self._models.values()))
        if self.shadows is not None:
            await self.shadows.close()
        if self.recorder is not None:
            await self.recorder.close()
        if self.pictures is not None:
            await self.pictures.close()
        self._live.close()

    def kill(self) -> None:
        """End all workers at once."""
        for model in self._models.values():
            model.kill()
        if self.shadows is not None:
            self.shadows.kill()
        if self.recorder is not None:
            self.recorder.kill()
        if self.pictures is not None:
            self.pictures.let_go()
        self._live.close()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._settings.scan_seconds)
            await self._lookout.look()
            serving = {name: folder for name, model in self._models.items() if (folder := model.folder) is not None}
            await asyncio.to_thread(self._predecessors.remove, serving)
            if not self._remembered.is_saved:  # the disk was full
                await asyncio.to_thread(self._remembered.save)

    async def _look_again(self) -> None:
        """Look for what has come since the last look: a component that has just been deployed has clients at once.

        Reading a large component takes long; a call waits a moment for that and no longer.
        """
        await asyncio.wait([asyncio.ensure_future(self._lookout.look())], timeout=_LOOK_SECONDS)

    def _apply(self, entries: dict[str, Entry]) -> None:
        """Bring the models in line with what the catalogue has found."""
        for name, entry in entries.items():
            model = self._models.get(name)
            if model is None:
                model = self._models[name] = Model(
                    name, self._options, self.shelf, self._on_wanted, self._observer.watch_model(name)
                )
                model.strain.on_change = self._on_change
                self._on_change()
            model.update(entry)
            if self.recorder is not None and entry.component is not None:
                self.recorder.know(entry.component.manifest)
            if name in self._to_resume and entry.component is not None:
                self._to_resume.discard(name)
                model.resume()
        for name in self._models.keys() - entries.keys():
            self._models[name].update(None)
            if not self._models[name].is_live:
                del self._models[name]
                self._on_change()
                self._observer.forget_model(name)
                self.cameras.forget(name)
                if name in self._remembered.names:  # it had failed; when the component comes back, so does the model
                    self._to_resume.add(name)

        self._update_shadows()

    def _update_shadows(self) -> None:
        if self.shadows is not None:
            self.shadows.update(self._first, self._component, self._check_memory)

    def _first(self, name: str) -> First | None:
        model = self._models.get(name)
        return None if model is None else First(model.is_live, model.component)

    def _component(self, name: str, version: str) -> Component | None:
        if version:
            return self._catalogue.find(name, version)
        model = self._models.get(name)
        return None if model is None else model.component

    def _check_memory(self, component: Component) -> None:
        check_memory(component, self._options.pool, self._options.memory_reserve, instances=1)

    def _on_change(self) -> None:
        for tell in tuple(self.watchers):
            tell()

    def _on_wanted(self, name: str, wanted: bool) -> None:
        if wanted:
            self._remembered.add(name)
        else:
            self._remembered.discard(name)

    # The five calls

    async def _find_or_look(self, name: str) -> Model:
        try:
            return self._find(name)
        except ModelNotFound:
            await self._look_again()
        return self._find(name)

    def _find(self, name: str) -> Model:
        model = self._models.get(name)
        if model is not None:
            return model
        try:
            check_name(name)
        except ValueError as error:
            raise InvalidRequest(str(error)) from None
        known = ", ".join(f"'{known}'" for known in sorted(self._models)[:10]) or "no model components"
        raise ModelNotFound(f"there is no model component '{name}', this device has {known}")

    async def list_models(self) -> list[Description]:
        """Look at the model folders, and describe every model, in the order of their names."""
        await self._look_again()
        return [self._description(self._models[name]) for name in sorted(self._models)]

    def _description(self, model: Model) -> Description:
        arn, status, message = model.describe()
        version = model.version
        drifts = self.recorder.state.drifts if self.recorder is not None else ()
        texts = [one.text for one in drifts if (one.model, one.version) == (model.name, version)]
        texts += [self.shadows.describe(model.name)] if self.shadows is not None else []
        return Description(model.name, arn, status, "; ".join(filter(None, [message, *texts])), version)

    def model_names(self) -> list[str]:
        """Return the names of the models, as of the last look."""
        return sorted(self._models)

    def is_ready(self, name: str) -> bool | None:
        """Tell whether a model is RUNNING and has room for calls; None where there is no such model."""
        model = self._models.get(name)
        return None if model is None else model.status is Status.RUNNING and not model.strain.is_on

    def statuses(self) -> list[Status]:
        """Return the status of every model, as it was at the last look."""
        return [model.describe()[1] for model in self._models.values()]

    def read_models(self) -> list[ModelReading]:
        """Tell how every model is now, in the order of their names."""
        return [self._models[name].read()._replace(camera=self.cameras.of(name)) for name in sorted(self._models)]

    async def describe(self, name: str) -> Description:
        """Describe one model; InvalidRequest for a name that can't be one, ModelNotFound."""
        return self._description(await self._find_or_look(name))

    async def start(self, name: str, peer: Peer) -> Status:
        """Begin to start a model and return STARTING; NotPermitted, see Model.start for the other errors."""
        async with self._audited("StartModel", name, peer):
            await self._control.check(peer, "StartModel")
            status = (await self._find_or_look(name)).start()
            await asyncio.to_thread(self._remembered.save)
        return status

    async def stop(self, name: str, peer: Peer) -> Status:
        """Stop a model and return STOPPED; NotPermitted, see Model.stop for the other errors."""
        async with self._audited("StopModel", name, peer):
            await self._control.check(peer, "StopModel")
            model = self._find(name)
            try:
                return await model.stop()
            finally:
                await asyncio.to_thread(self._remembered.save)
        return Status.STOPPED

    async def set_shadow(self, name: str, other: Named | None, peer: Peer) -> str:
        """Have another model judge the pictures of a model, or (None) none any more; returns how that stands now.

        Raises:
            InvalidRequest, ModelNotFound, NotPermitted: see Shadows.check.
            WrongState: records are off; InternalError: it can't be remembered.
        """
        async with self._audited("SetShadow", name, peer, f"with {other}" if other is not None else "off"):
            await self._control.check(peer, "SetShadow")
            model = await self._find_or_look(name)
            if self.shadows is None:
                raise WrongState('records are off, and nobody would write down what a shadow says: set records = "on"')
            if other is not None:
                self.shadows.check(name, other, model.component, self._component)
            await self.shadows.set(name, other)
            self._update_shadows()
        return self.shadows.describe(name)

    @contextlib.asynccontextmanager
    async def _audited(self, call: str, name: str, peer: Peer, what: str = "") -> AsyncIterator[None]:
        """Write down, before the call is answered, who made it and what came of it."""
        audit, outcome, details = self._observer.audit, "done", what
        program = "" if audit is None else program_of(peer.pid)  # now: the client may have gone when the call ends
        try:
            yield
        except EdgeAgentError as error:
            outcome, details = type(error).__name__, str(error)
            raise
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            if audit is not None:
                await audit.record(call, name, peer, program, outcome, details)

    def detect(
        self,
        request: DetectRequest,
        peer: Peer,
        deadline: float | None,
        on_answer: OnAnswer,
        on_error: Callable[[Exception], None],
        origin: Origin | None = None,
        on_stages: OnStages | None = None,
    ) -> Callable[[], None]:
        """Inspect one picture for `peer`; what comes of it is told later, or before this returns.

        The deadline is in seconds of the monotonic clock, None for a caller who waits for ever. With an `origin` the
        verdict is written down after it has been told.

        Not a coroutine, as the other calls are: a task, and two turns of the event loop for it, would be a good part of
        what a call costs. Returns what to call when the caller goes away.

        Raises:
            InvalidRequest: the name, the bitmap or a segment was refused.
            ModelNotFound: at the last look there was no such model; see look_for.
            WrongState, Overloaded, WorkerDied: see there. `on_error` is told the same errors when they come later,
                EngineFailed and CallExpired.
        """
        model = self._find(request.model)
        model.check_running()
        check_size(request.width, request.height, model=model.name, expected=model.expected_size)
        bitmap = request.bitmap
        if isinstance(bitmap, Enclosed):
            head = bytes(bitmap.pixels[:3])
            check_byte_count(len(bitmap.pixels), request.width, request.height, what="byte_data has", head=head)
        elif bitmap is not None:
            check_place(bitmap, what="bitmap")
        else:
            raise InvalidRequest("the bitmap has no pixels, expected byte_data or a shared_memory_handle")
        # A classification model ignores it; unchecked, it might not fit into a packet to the worker.
        mask = request.mask if model.task == "segmentation" else None
        if mask is not None:
            check_place(mask, what="mask")
        if self.recorder is not None and origin is not None:
            size = (request.width, request.height)
            on_answer = self.recorder.noting(
                on_answer, model=model.name, version=model.version, size=size, origin=origin
            )
        keep = origin is not None and origin.keep
        call = Call(bitmap, mask, deadline, peer, on_answer, on_error, keep, on_stages)
        model.submit(call)
        return call.cancel

    def _note_refused(self, rpc: str, model: str, reason: str, details: str) -> None:
        # Clients may name anything: only models that are here are counted by their names.
        if rpc == "DetectAnomalies" and self.recorder is not None:
            self.recorder.refused(model if model in self._models else "", reason, details)

    async def look_for(self, name: str) -> None:
        """Look at the model folders for a model that was not there at the last look; ModelNotFound when it is not."""
        await self._find_or_look(name)
