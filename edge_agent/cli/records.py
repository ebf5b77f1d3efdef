"""edge-agent records."""

from __future__ import annotations

import csv
import itertools
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from edge_agent.cli.output import json_option, note, print_json, print_table
from edge_agent.errors import RecordsError
from edge_agent.records.events.outbox import line_states
from edge_agent.records.exporting import export
from edge_agent.records.options import pictures_folder, records_folder
from edge_agent.records.pictures.stored import stored
from edge_agent.records.span import local_text, moment, utc_text
from edge_agent.records.statistics import DEFAULT_SHIFTS, Period, Row, losses, parse_shifts, statistics
from edge_agent.records.store.reading import Found, Query, find, get, reading, unknown_model
from edge_agent.records.telling import COLUMNS, cells, fields, whoami
from edge_agent.records.words import Rate, Truth, confirm
from edge_agent.settings import load_settings

_F = TypeVar("_F", bound=Callable[..., Any])
_LIMIT = 100  # lines of a table, unless more are asked for


class _ListByDefault(click.Group):
    """`records …` with no word of ours behind it is `records list …`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def folder_options(function: _F) -> _F:
    """Add the options that say where records are: those of the daemon's settings."""
    state = click.option("--state-dir", metavar="DIR", help="State folder, as for serve.")
    config = click.option(
        "--config", type=click.Path(path_type=Path, readable=False), help="TOML file of settings, as for serve."
    )
    return state(config(function))


def time_options(function: _F) -> _F:
    """Add --since and --until."""
    since = click.option("--since", default="24h", show_default=True, metavar="TIME",
                         help="From when: 90m, 24h, 7d ago, a date, or 2026-03-01T06:00.")  # fmt: skip
    until = click.option("--until", metavar="TIME", help="Until when [default: now].")
    return since(until(function))


def records_of(config: Path | None, state_dir: str | None) -> Path:
    """Return the folder of records that these options mean."""
    return records_folder(load_settings({"state_dir": state_dir} if state_dir else {}, config=config))


def span_of(since: str, until: str | None) -> tuple[int, int]:
    """Read --since and --until."""
    now = time.time_ns() // 1000
    begin, end = moment(since, now), moment(until, now) if until else 1 << 62
    if end <= begin:
        raise click.UsageError(f"--until {until} is not after --since {since}")
    return begin, end


@click.group(cls=_ListByDefault, epilog="Example: edge-agent records cookies --since 1h --anomalous")
def command() -> None:
    """What the daemon has seen and said.

    Without one of the commands below, `edge-agent records [MODEL] …` is `edge-agent records list [MODEL] …`.
    """


@command.command("list", epilog="Example: edge-agent records cookies --since 1h --anomalous --csv > shift.csv")
@click.argument("model", required=False, default="")
@time_options
@click.option("--anomalous/--normal", "anomalous", default=None, help="Only anomalous, or only normal ones.")
@click.option("--part", default="", help="Only this part's.")
@click.option("--station", default="", help="Only this station's.")
@click.option(
    "--confirmed/--unconfirmed", "confirmed", default=None, help="Only those with, or without, a person's word."
)
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000_000),
    help=f"So many at the most, the newest [default: {_LIMIT} in a table].",
)
@click.option("--pictured", is_flag=True, help="Only those whose picture was kept.")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
@click.option(
    "--parquet", type=click.Path(path_type=Path, readable=False), metavar="FILE", help="Write all to FILE, as Parquet."
)
@folder_options
def list_(
    model: str, since: str, until: str | None, limit: int | None, as_json: bool, as_csv: bool, parquet: Path | None,
    config: Path | None, state_dir: str | None, **conditions: Any,
) -> None:  # fmt: skip
    """List records, of MODEL or of all models, the newest first."""
    if as_json + as_csv + bool(parquet) > 1:
        raise click.UsageError("--json, --csv and --parquet exclude each other")
    begin, end = span_of(since, until)
    query = Query(model=model, since=begin, until=end, **conditions)
    with reading(records_of(config, state_dir), seconds=3600.0) as connection:
        _note_unknown(connection, model)
        found = find(connection, query)
        if parquet is not None:
            from edge_agent.records.parquet import write_parquet

            click.echo(f"{write_parquet(itertools.islice(found, limit), parquet)} records are in {parquet}")
        elif as_json:
            _print_json_rows(itertools.islice(found, limit))
        elif as_csv:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(map(cells, itertools.islice(found, limit)))
        else:
            shown = list(itertools.islice(found, limit or _LIMIT))
            _print_records(shown)
            if next(found, None) is not None:
                note(f"there are more than these {len(shown)}; --limit says how many are shown, --csv prints all")


@command.command("export", epilog="Example: edge-agent records export pictures cookies --since 7d --confirmed")
@click.argument("directory", type=click.Path(path_type=Path, readable=False), metavar="DIR|NAME.manifest")
@click.argument("model", required=False, default="")
@time_options
@click.option("--confirmed", is_flag=True, help="Only pictures of which a person has said what they show.")
@click.option("--masks", is_flag=True, help="Also what the model marked, to be mended and trained with.")
@json_option
@folder_options
def export_(
    directory: Path, model: str, since: str, until: str | None, confirmed: bool, masks: bool, as_json: bool,
    config: Path | None, state_dir: str | None,
) -> None:  # fmt: skip
    """Copy kept pictures to DIR/normal and DIR/anomaly, a dataset that train takes.

    A name that ends with .manifest becomes a Ground Truth manifest, with the pictures in NAME-pictures beside it.
    Where nobody has said what a picture shows, the verdict is taken for it: a proposal to look through.
    """
    begin, end = span_of(since, until)
    folder = records_of(config, state_dir)
    query = Query(model=model, since=begin, until=end, pictured=True, confirmed=True if confirmed else None)
    with reading(folder, seconds=3600.0) as connection:
        _note_unknown(connection, model)
        done = export(find(connection, query), pictures_folder(folder), directory, masks=masks)
    if as_json:
        print_json(done._asdict())
        return
    click.echo(
        f"{done.normal} normal and {done.anomaly} anomalous pictures are in {directory}, {done.confirmed} of them "
        f"confirmed by a person; {done.gone} were there no more"
    )


@command.command(epilog="Example: edge-agent records events")
@json_option
@folder_options
def events(as_json: bool, config: Path | None, state_dir: str | None) -> None:
    """Show for each [[event]] table what waits, what was sent and dropped, and what is in the way."""
    folder = records_of(config, state_dir)
    try:
        states = line_states(folder)
    except sqlite3.Error as error:
        raise RecordsError(f"the outbox in {folder} can't be read: {error}") from None
    if as_json:
        print_json([state._asdict() for state in states])
    elif states:
        rows = [(state.rule, *map(str, state[1:4]), state.problem or "-") for state in states]
        print_table(("EVENT", "WAITING", "SENT", "DROPPED", "PROBLEM"), rows, right=("WAITING", "SENT", "DROPPED"))
    else:
        click.echo("nobody is told of anything; docs/events.md says how", err=True)


def _note_unknown(connection: sqlite3.Connection, model: str) -> None:
    if said := unknown_model(connection, model):
        note(said)


def _print_json_rows(found: Iterator[Found]) -> None:
    """Print an array without holding it: there may be millions."""
    before = "["
    for record in found:
        click.echo(f"{before}\n  {json.dumps(fields(record), ensure_ascii=False)}", nl=False)
        before = ","
    click.echo("[]" if before == "[" else "\n]")


def _print_records(found: list[Found]) -> None:
    if not found:
        click.echo("no records of that time; --since says how far back is looked", err=True)
        return
    rows = [
        (
            str(record.id),
            local_text(record.at),
            record.model,
            "anomalous" if record.anomalous else "normal",
            f"{record.score:.4f}",
            ", ".join(f"{label} {area:.2%}" for label, area in record.areas.items())
            or ("nothing marked" if record.is_unmarked else "-"),
            f"{record.milliseconds:.1f}",
            record.part or "-",
            record.station or "-",
            record.truth or "-",
        )
        for record in found
    ]
    headings = ("ID", "TIME", "MODEL", "VERDICT", "SCORE", "AREAS", "MS", "PART", "STATION", "CONFIRMED")
    print_table(headings, rows, right=("SCORE", "MS"))


@command.command(epilog="Example: edge-agent records show 1795922599950312")
@click.argument("id", type=int)
@click.option("--overlay", "overlay_file", type=click.Path(path_type=Path, readable=False), metavar="FILE",
              help="Write its picture with mask and verdict to FILE, as PNG, if it was kept.")  # fmt: skip
@json_option
@folder_options
def show(
    id: int, overlay_file: Path | None, as_json: bool, config: Path | None, state_dir: str | None
) -> None:  # fmt: skip
    """Show the record ID."""
    folder = records_of(config, state_dir)
    with reading(folder) as connection:
        record = get(connection, id)
    if overlay_file is not None:
        if not record.picture:
            raise RecordsError(f"the picture of record {id} was not kept; the setting keep says which are")
        from edge_agent.cli.kept import draw  # loads OpenCV, for which no other question has to wait

        draw(stored(pictures_folder(folder), record.picture)).save(overlay_file, format="png")
    values = fields(record)
    if as_json:
        print_json(values)
        return
    values["time"] = f"{local_text(record.at)} ({values['time']} UTC)"
    for name, value in zip(COLUMNS, [*values.values()], strict=True):
        shown = ", ".join(f"{label} {area:.2%}" for label, area in value.items()) if name == "areas" else value
        shown = ", ".join(shown) if isinstance(shown, list) else shown
        shown = "nothing marked" if name == "areas" and record.is_unmarked else shown
        click.echo(f"{name.replace('_', ' ') + ':':<19}{'-' if shown == '' else shown}")


@command.command("confirm", epilog="Example: edge-agent records confirm 1795922599950312 anomaly --label crack")
@click.argument("id", type=int)
@click.argument("truth", type=click.Choice(get_args(Truth)))
@click.option("--label", "labels", multiple=True, help="Kind of the anomaly (may be given again).")
@folder_options
def confirm_(id: int, truth: Truth, labels: tuple[str, ...], config: Path | None, state_dir: str | None) -> None:
    """Say what the part of the record ID really was. A later word replaces an earlier one."""
    record = confirm(records_of(config, state_dir), id, truth, labels, whoami())
    verdict = "anomalous" if record.anomalous else "normal"
    right = record.anomalous == (truth == "anomaly")
    wrong = "a false reject" if record.anomalous else "an escape"
    click.echo(f"record {id}, judged {verdict}, is confirmed as {truth}: {'the verdict was right' if right else wrong}")


@command.command(epilog="Example: edge-agent records stats cookies --since 7d --by shift --shifts 06:00,14:00,22:00")
@click.argument("model", required=False, default="")
@time_options
@click.option("--by", "period", type=click.Choice(get_args(Period)), default="all", show_default=True,
              help="A row for each hour, shift or day.")  # fmt: skip
@click.option("--shifts", metavar="TIMES", help=f"When shifts begin, in local time [default: {DEFAULT_SHIFTS}].")
@json_option
@folder_options
def stats(
    model: str, since: str, until: str | None, period: Period, shifts: str | None, as_json: bool,
    config: Path | None, state_dir: str | None,
) -> None:  # fmt: skip
    """Count verdicts: yield, anomalies by label, and how often people found the verdict wrong.

    Counts begin at the quarter of an hour in which --since lies. False rejects are a share of the parts that people
    confirmed as normal, escapes of those confirmed as anomaly, with the interval in which the true share lies (95 %).
    """
    begin, end = span_of(since, until)
    if shifts is not None and period != "shift":
        raise click.UsageError("--shifts needs --by shift")
    begins = parse_shifts(shifts or DEFAULT_SHIFTS)
    with reading(records_of(config, state_dir)) as connection:
        _note_unknown(connection, model)
        rows = statistics(connection, model=model, since=begin, until=end, period=period, shifts=begins)
        lost = losses(connection, since=begin, until=end)
    if as_json:
        print_json({"rows": [_stats_fields(row) for row in rows], "lost": sum(count for _, _, count in lost)})
        return
    if rows:
        headings = ("FROM", "MODEL", "PICTURES", "ANOMALOUS", "YIELD", "FALSE REJECTS", "ESCAPES", "MS", "LABELS")
        print_table(headings, list(map(_stats_row, rows)), right=("PICTURES", "ANOMALOUS", "YIELD", "MS"))
    else:
        click.echo("no records of that time; --since says how far back is looked", err=True)
    for at, why, count in lost:
        note(f"{count} records were lost until {local_text(at)}: {why}")


def _stats_row(row: Row) -> tuple[str, ...]:
    return (
        local_text(row.begin)[:16],
        row.model,
        str(row.total),
        str(row.anomalous),
        f"{row.good_share:.2%}",
        _rate(row.rates.false_reject),
        _rate(row.rates.escape),
        f"{row.milliseconds:.1f}",
        ", ".join(f"{label} {count}" for label, count in row.labels.items()) or "-",
    )


def _rate(rate: Rate) -> str:
    if rate.share is None:
        return "-"
    return f"{rate.wrong} of {rate.of}: {rate.share:.1%} ({rate.low:.1%} to {rate.high:.1%})"


def _stats_fields(row: Row) -> dict[str, Any]:
    return {
        "from": utc_text(row.begin),
        "model": row.model,
        "pictures": row.total,
        "anomalous": row.anomalous,
        "yield": row.good_share,
        "milliseconds": row.milliseconds,
        "slowest_milliseconds": row.slowest,
        "labels": row.labels,
        "false_rejects": row.rates.false_reject._asdict(),
        "escapes": row.rates.escape._asdict(),
    }
