"""Whether verdicts are written down on this device, and can be."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_agent.access.peer import ROOT, Peer, own_peer
from edge_agent.access.rights import describe_refusal
from edge_agent.device.doctor.finding import Finding, Verdict, join_group_of
from edge_agent.device.doctor.senders import other_name, reach
from edge_agent.device.doctor.writable import Obstacle, daemon_user, lowest_seen, obstacle
from edge_agent.errors import RecordsError, SettingsError
from edge_agent.records.events.outbox import line_states
from edge_agent.records.events.rules import Rule
from edge_agent.records.events.sender import SendFailed
from edge_agent.records.options import RecordsOptions, pictures_folder, records_folder
from edge_agent.records.pictures.rules import parse_rules
from edge_agent.records.shadow.comparison import Count, pairs
from edge_agent.records.shadow.wanted import Named, read_shadows
from edge_agent.records.span import local_text
from edge_agent.records.statistics import losses
from edge_agent.records.store.conditions import Condition, conditions
from edge_agent.records.store.reading import Query, find, reading
from edge_agent.records.store.schema import DAY, FILE_NAME
from edge_agent.settings import Settings

_MIB = 1 << 20


def _writing(path: Path, user: Peer | None, hindered: Obstacle | None) -> Iterator[Finding]:
    """Tell what is in the daemon's way, or that it is not known who that is, where not everybody could write."""
    if hindered is not None:
        yield Finding(Verdict.WRONG, "records", f"records can't be written: {hindered.found}", hindered.remedy)
    elif user is None and obstacle(path, own_peer()) is not None:
        found = f"the daemon does not answer, and who may write {path} is not to be seen"
        yield Finding(Verdict.NOTE, "records", found, "ask again while it runs")


def _events(folder: Path, rules: Sequence[Rule], device: str) -> Iterator[Finding]:
    try:
        states = {state.rule: state for state in line_states(folder)}
    except (sqlite3.Error, OSError) as error:
        said = describe_refusal(error) if isinstance(error, OSError) else error
        yield Finding(Verdict.NOTE, "events", f"the outbox in {folder} can't be read: {said}", "see docs/events.md")
        states = {}
    for number, rule in enumerate(rules):
        if said := other_name(rule, rules[:number], device):
            yield Finding(Verdict.NOTE, f"event {rule.name}", said, "give both the same host")
        state = states.get(rule.name)
        found = "nothing has been sent yet"
        if state is not None:
            found = f"{state.sent} sent, {state.waiting} wait, {state.dropped} were dropped"
        try:
            place = reach(rule, device)
        except (SendFailed, OSError, ValueError) as error:
            place = (describe_refusal(error) if isinstance(error, OSError) else str(error)) or type(error).__name__
            yield Finding(Verdict.NOTE, f"event {rule.name}", f"{found}: {place}", "see docs/events.md")
            continue
        if state is not None and state.problem:
            found = f"{found}: {place}, but the daemon says: {state.problem}"
            yield Finding(Verdict.NOTE, f"event {rule.name}", found, "see docs/events.md")
        else:
            yield Finding(Verdict.OK, f"event {rule.name}", f"{found}: {place}")


def _pictures(settings: Settings, folder: Path) -> Iterator[Finding]:
    """Look at the pictures that are kept."""
    if not settings.keep_mib:
        return
    check = "kept pictures"
    try:
        kinds = parse_rules(settings.keep).kinds
    except SettingsError as error:
        yield Finding(Verdict.WRONG, check, str(error), "see docs/records.md")
        return
    told, total = [], 0
    for kind in kinds:
        try:
            files = [entry for entry in os.scandir(folder / kind) if not entry.name.endswith(".new")]
            total += sum(entry.stat().st_size for entry in files)
        except FileNotFoundError:
            files = []
        except PermissionError:
            yield _closed(check, lowest_seen(folder / kind))
            return
        told.append(f"{len({entry.name.partition('.')[0] for entry in files})} {kind}")
    found = f"{', '.join(told)} in {total // _MIB} of {settings.keep_mib} MiB"
    existing = lowest_seen(folder)
    free = shutil.disk_usage(existing).free
    if total + free < settings.keep_mib * _MIB:
        found = f"{found}, and {existing} has {free // _MIB} MiB free"
        yield Finding(Verdict.NOTE, check, found, "free some, or set a smaller keep_mib")
    else:
        yield Finding(Verdict.OK, check, found)


def _closed(check: str, place: Path) -> Finding:
    status = place.stat()
    helps = status.st_gid != ROOT and status.st_mode & stat.S_IRGRP and status.st_mode & stat.S_IXGRP
    remedy = join_group_of(place) if helps else "run this as root"
    return Finding(Verdict.NOTE, check, f"this user may not read {place}", remedy)


def _conditions(found: list[Condition]) -> Iterator[Finding]:
    """Tell how cameras and scores are, as they were when the last picture came."""
    for line in found:
        told = []
        if line.camera is not None and line.camera.state != "ok":
            since = local_text(line.camera.since)[:16]
            advice = "look at a picture, at light, lens and position; see docs/records.md"
            yield Finding(Verdict.NOTE, f"camera of {line.model}", f"{line.camera.text}, since {since}", advice)
        elif line.camera is not None:
            told.append("the camera is as it should be")
        if line.drift is not None and line.drift.state == "drifted":
            since = local_text(line.drift.since)[:16]
            advice = "compare pictures with those of training; see docs/records.md"
            yield Finding(Verdict.NOTE, f"scores of {line.model}", f"{line.drift.text}, since {since}", advice)
        elif line.drift is not None and line.drift.state != "learning":
            told.append(f"scores are as they were (PSI {line.drift.psi:.2f})")
        if told:
            yield Finding(Verdict.OK, f"line of {line.model}", ", ".join(told))


def _shadows(folder: Path, connection: sqlite3.Connection, now: int) -> Iterator[Finding]:
    """Tell what shadow models have done in the last week; `folder` is the state folder."""
    for model, other in sorted(read_shadows(folder).items()):
        count = Count()
        with contextlib.suppress(RecordsError):  # it has judged nothing yet
            for pair in pairs(connection, Named(model), other, since=now - 7 * DAY, until=now):
                count.add(pair)
        done = count.result()
        found = f"{other} has judged {done.pictures} pictures in 7 days, {done.only_a + done.only_b} otherwise"
        check = f"shadow of {model}"
        if done.pictures:
            yield Finding(Verdict.OK, check, found)
        else:
            yield Finding(Verdict.NOTE, check, found, f"edge-agent models describe {model}")


def examine_records(settings: Settings) -> Iterator[Finding]:
    """Look at the records that a daemon with these settings writes."""
    folder = records_folder(settings)
    if settings.records == "off":
        yield Finding(Verdict.NOTE, "records", "verdicts are not written down", 'set records = "on"')
        return
    path = folder / FILE_NAME
    user = daemon_user(settings)
    hindered = obstacle(path, user)
    yield from _writing(path, user, hindered)
    if hindered is not None and hindered.hangs:
        return
    try:
        options = RecordsOptions.of(settings)
    except SettingsError as error:
        yield Finding(Verdict.WRONG, "events", str(error), "see docs/events.md")
    else:
        yield from _events(folder, options.events, options.device)
    yield from _pictures(settings, pictures_folder(folder))
    existing = lowest_seen(folder)
    if not os.access(existing, os.R_OK | os.X_OK):
        yield _closed("records", existing)
        return
    free = shutil.disk_usage(existing).free
    size = path.stat().st_size if path.exists() else 0
    if hindered is None and size + free < settings.records_mib * _MIB:
        found = f"{existing} has {free // _MIB} MiB free, records may take {settings.records_mib} MiB"
        yield Finding(Verdict.NOTE, "records", found, "free some, or set a smaller records_mib")
    if not path.exists() and hindered is not None:
        return
    if not path.exists():
        yield Finding(Verdict.OK, "records", f"none yet in {folder}")
        return
    now = time.time_ns() // 1000
    try:
        with reading(folder, seconds=5.0) as connection:
            newest = next(find(connection, Query()), None)
            lines = conditions(connection)
            shadows = list(_shadows(Path(settings.state_dir), connection, now))
            lost = sum(count for _, _, count in losses(connection, since=now - 7 * DAY, until=now))
    except RecordsError as error:
        yield Finding(Verdict.WRONG, "records", str(error), "see docs/records.md")
        return
    last = f"the last of {local_text(newest.at)}" if newest is not None else "none yet"
    found = f"{size // _MIB} of {settings.records_mib} MiB in {path}, {last}"
    if lost:
        yield Finding(
            Verdict.NOTE, "records", f"{found}; {lost} were lost in the last 7 days", "edge-agent records stats"
        )
    else:
        yield Finding(Verdict.OK, "records", found)
    yield from _conditions(lines)
    yield from shadows
