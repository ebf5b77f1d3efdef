"""edge-agent models compare."""

from __future__ import annotations

import base64
import html
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from edge_agent.access.rights import describe_refusal
from edge_agent.cli.output import json_option, note, print_json, print_table
from edge_agent.cli.records import folder_options, records_of, span_of, time_options
from edge_agent.errors import RecordsError
from edge_agent.records.options import pictures_folder
from edge_agent.records.pictures.stored import stored
from edge_agent.records.shadow.comparison import Comparison, Count, Pair, Right, pairs
from edge_agent.records.shadow.wanted import Named, parse_named
from edge_agent.records.span import local_text, utc_text
from edge_agent.records.store.reading import reading
from edge_agent.records.words import Rate

#: pictures on the page, the newest
_MOST = 500
_SIDE = 480  # pixels of a picture on the page

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.4 system-ui, sans-serif; margin: 1.5rem; max-width: 75rem; color: #1d2126; background: #fff }}
table {{ border-collapse: collapse; margin: 0 0 1.5rem }}
td, th {{ padding: .3rem .8rem; border-bottom: 1px solid #ccd2d8; text-align: right }}
td:first-child, th:first-child {{ text-align: left; padding-left: 0 }}
figure {{ display: inline-block; vertical-align: top; margin: 0 1rem 1.5rem 0; max-width: 100% }}
img {{ max-width: 100%; display: block }} .pair {{ display: flex; gap: .5rem }} .pair div {{ max-width: 50% }}
figcaption {{ margin-top: .3rem }}
</style>
<h1>{title}</h1>
<p>{span}</p>
{tables}
{pictures}
</html>
"""


@click.command(
    "compare", epilog="Example: edge-agent models compare cookies@1.0.0 cookies@1.1.0 --since 7d --output differ"
)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@time_options
@click.option("--output", type=click.Path(path_type=Path, readable=False), metavar="DIR",
              help="Write DIR/index.html, with the pictures on which they differ.")  # fmt: skip
@json_option
@folder_options
def compare(
    a: str, b: str, since: str, until: str | None, output: Path | None, as_json: bool,
    config: Path | None, state_dir: str | None,
) -> None:  # fmt: skip
    """Say where models A and B (MODEL or MODEL@VERSION) differ, one of which was the other's shadow.

    Pictures are there where the setting keep has `disagreement`, and keep_mib is not 0.
    """
    one, other = parse_named(a), parse_named(b)
    begin, end = span_of(since, until)
    folder = records_of(config, state_dir)
    count = Count()
    differing: list[Pair] = []
    with reading(folder, seconds=3600.0) as connection:
        for pair in pairs(connection, one, other, since=begin, until=end):
            count.add(pair)
            if pair.anomalous[0] != pair.anomalous[1]:
                differing.append(pair)
                del differing[:-_MOST]
    found = count.result()
    if output is not None:
        _write_page(output, _page(one, other, found, differing, pictures_folder(folder)))
    if as_json:
        print_json(_fields(one, other, found, differing))
        return
    _print(one, other, found)
    if output is not None:
        click.echo(f"{output / 'index.html'} shows the last {len(differing)} pictures on which they differ")
    elif differing:
        note("--output DIR shows the pictures on which they differ")


def _print(a: Named, b: Named, found: Comparison) -> None:
    if not found.pictures:
        click.echo("no pictures of that time that both have judged; --since says how far back is looked", err=True)
        return
    for name, value in _summary(a, b, found):
        click.echo(f"{name + ':':<42} {value}")
    click.echo()
    rows = [(day.day, str(day.pictures), str(day.only_a), str(day.only_b)) for day in found.days]
    print_table(("DAY", "PICTURES", f"ONLY {a}", f"ONLY {b}"), rows, right=("PICTURES", f"ONLY {a}", f"ONLY {b}"))


def _summary(a: Named, b: Named, found: Comparison) -> Iterator[tuple[str, str]]:
    yield "pictures that both have judged", str(found.pictures)
    share = f" ({found.agree / found.pictures:.2%})" if found.pictures else ""
    yield "they agree on", f"{found.agree}{share}: {found.both_normal} normal, {found.both_anomalous} anomalous"
    yield f"only {a} says anomalous", str(found.only_a)
    yield f"only {b} says anomalous", str(found.only_b)
    yield "correlation of the scores", "-" if found.correlation is None else f"{found.correlation:.3f}"
    if found.a.false_reject.of + found.a.escape.of:
        yield "of those that people have confirmed", f"{a} was right on {found.a_right}, {b} on {found.b_right}"
        for name, right in ((a, found.a), (b, found.b)):
            yield f"{name}: false rejects, escapes", f"{_rate(right.false_reject)}, {_rate(right.escape)}"


def _rate(rate: Rate) -> str:
    return "-" if rate.share is None else f"{rate.wrong} of {rate.of} ({rate.low:.1%} to {rate.high:.1%})"


def _fields(a: Named, b: Named, found: Comparison, differing: list[Pair]) -> dict[str, Any]:
    def right(one: Right) -> dict[str, Any]:
        return {"false_rejects": one.false_reject._asdict(), "escapes": one.escape._asdict()}

    return {
        "a": str(a),
        "b": str(b),
        "pictures": found.pictures,
        "agree": found.agree,
        "both_normal": found.both_normal,
        "both_anomalous": found.both_anomalous,
        "only_a": found.only_a,
        "only_b": found.only_b,
        "correlation": found.correlation,
        "days": [day._asdict() for day in found.days],
        "confirmed": {
            "a": right(found.a), "b": right(found.b), "a_right": found.a_right, "b_right": found.b_right,
        },
        "differing": [
            {
                "id": pair.record, "time": utc_text(pair.at), "part_id": pair.part, "score_a": pair.scores[0],
                "score_b": pair.scores[1], "anomalous_a": pair.anomalous[0], "anomalous_b": pair.anomalous[1],
                "picture": pair.picture, "truth": pair.truth,
            }
            for pair in differing
        ],
    }  # fmt: skip


def _page(a: Named, b: Named, found: Comparison, differing: list[Pair], folder: Path) -> str:
    span = f"{found.days[0].day} to {found.days[-1].day}" if found.days else "no pictures"
    rows = "".join(f"<tr><td>{html.escape(name)}<td>{html.escape(value)}" for name, value in _summary(a, b, found))
    days = "".join(f"<tr><td>{one.day}<td>{one.pictures}<td>{one.only_a}<td>{one.only_b}" for one in found.days)
    names = html.escape(str(a)), html.escape(str(b))
    tables = (
        f"<table>{rows}</table><table><tr><th>day<th>pictures<th>only {names[0]} anomalous<th>only {names[1]} "
        f"anomalous{days}</table>"
    )
    shown = (_figure(pair, names, folder) for pair in reversed(differing))
    pictures = "".join(itertools.chain([f"<h2>The last {len(differing)} on which they differ</h2>"], shown))
    return _PAGE.format(title=f"{names[0]} and {names[1]}", span=span, tables=tables, pictures=pictures)


def _figure(pair: Pair, names: tuple[str, str], folder: Path) -> str:
    from edge_agent.cli.kept import draw, draw_shadow  # loads OpenCV, for which `models list` would wait too

    images = "<p>its picture was not kept</p>"
    if pair.picture:
        try:
            kept = stored(folder, pair.picture)
            drawn = [draw(kept), draw_shadow(kept)]
            ordered = drawn if pair.a_is_first else drawn[::-1]
            images = "".join(
                f"<div>{name}, score {score:.3f}{_image(image)}</div>"
                for name, score, image in zip(names, pair.scores, ordered, strict=True)
            )
        except RecordsError:
            images = "<p>its picture has made way for newer ones</p>"
    said = f", a person says: {pair.truth}" if pair.truth else ""
    part = f", part {html.escape(pair.part)}" if pair.part else ""
    about = f"record {pair.record}, {local_text(pair.at)}{part}{said}"
    return f'<figure><div class="pair">{images}</div><figcaption>{about}</figcaption></figure>'


def _image(image: Any) -> str:
    image.thumbnail((_SIDE, _SIDE))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=85)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}">'


def _write_page(folder: Path, page: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "index.html").write_text(page)
    except OSError as error:
        raise RecordsError(f"{folder} can't be written: {describe_refusal(error)}") from None
