"""edge-agent bench."""

from __future__ import annotations

from pathlib import Path

import click

from edge_agent.cli.output import json_option, print_json, print_table, progress_bar
from edge_agent.device.bench.measurement import Options, Sample, find_picture, measure
from edge_agent.device.bench.report import as_fields, sentence
from edge_agent.errors import ModelNotFound
from edge_agent.inference.engines.options import EngineOptions
from edge_agent.serving.catalogue.catalogue import Catalogue, Component, read_component
from edge_agent.settings import Settings, load_settings

_PATH = click.Path(path_type=Path, readable=False)
_MAX_CLIENTS = 64


class _Clients(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    name = "N,N,…"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if not all(part.isdigit() and 1 <= int(part) <= _MAX_CLIENTS for part in parts):
            self.fail(f"{value!r} is not a list of numbers from 1 to {_MAX_CLIENTS} such as 1,2,4,8", param, ctx)
        return tuple(sorted({int(part) for part in parts}))


@click.command(epilog="Example: edge-agent bench models/cookies/1.0.0 --parts-per-second 25")
@click.argument("model")
@click.option("--clients", type=_Clients(), default=(1, 2, 4, 8), show_default="1,2,4,8",
              help="Numbers of clients that send pictures at the same time.")  # fmt: skip
@click.option("--parts-per-second", "parts", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True,
              help="Speed of the line, for the sentence at the end.")  # fmt: skip
@click.option("--picture", type=_PATH, metavar="FILE",
              help="Picture to send  [default: the model's golden sample, or a made-up one]")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0.1, 3600), default=4.0, show_default=True,
              help="How long each line of the table is measured.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1, 1000), default=4, show_default=True,
              help="Into how many turns that time is divided.")  # fmt: skip
@click.option("--config", type=_PATH, help="TOML file of settings, as for serve: model folders, engine, and:")
@click.option("--instances", type=click.IntRange(1, 64), help="Worker processes of the model  [default: as serve]")
@click.option("--threads", type=click.IntRange(0, 1024), help="Threads of each worker's engine  [default: as serve]")
@json_option
def command(
    model: str, clients: tuple[int, ...], parts: float, picture: Path | None, seconds: float, rounds: int,
    config: Path | None, instances: int | None, threads: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure this device with MODEL, a component's folder or the name of one that serve would find.

    A daemon of its own serves the model to clients in processes of their own; a daemon that runs already is not
    touched, but shares the processor: stop its models for figures that are worth something.
    """
    given = {"instances": instances, "threads": threads}
    settings = load_settings({name: value for name, value in given.items() if value is not None}, config=config)
    component = _find(model, settings)
    engine = EngineOptions.of(settings)._replace(cpu_fallback=True)  # whatever it was packaged for, it is measured
    options = Options(clients, seconds, rounds, engine, settings.instances)
    pixels = find_picture(component, picture)
    with progress_bar("measuring") as on_progress:
        measured = measure(component, pixels, options, on_progress)
    if as_json:
        name, version = component.manifest.name, component.manifest.version
        print_json({"model": name, "version": version, **as_fields(measured, parts)})
        return
    rows = [
        (f"{measured.engine_name} alone", *_cells(measured.engine)),
        ("with preparation and mask, one process", *_cells(measured.pipeline)),
    ]
    for load, sample in measured.loads.items():
        many = "client" if load.clients == 1 else "clients"
        rows.append((f"{load.clients} {many}, {load.way}", *_cells(sample)))
    print_table(("", "P50 MS", "P99 MS", "PICTURES/S"), rows, right=("P50 MS", "P99 MS", "PICTURES/S"))
    click.echo(sentence(measured, parts))


def _find(model: str, settings: Settings) -> Component:
    """Find the component by its folder, or by its name in the folders that serve would look into."""
    if Path(model).is_dir():
        return read_component(Path(model))
    entries = Catalogue.of(settings).scan()
    entry = entries.get(model)
    if entry is None:
        known = ", ".join(f"'{name}'" for name in entries) or "no model components"
        raise ModelNotFound(f"'{model}' is neither a folder nor a model component, this device has {known}")
    if entry.component is None:
        raise ModelNotFound(f"model '{model}' can't be served: {entry.problem}")
    return entry.component


def _cells(sample: Sample) -> tuple[str, str, str]:
    return f"{sample.p50 * 1000:.2f}", f"{sample.p99 * 1000:.2f}", f"{sample.per_second:.1f}"
