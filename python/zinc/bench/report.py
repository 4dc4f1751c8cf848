"""A run as one page of HTML that stands alone."""

from __future__ import annotations

import itertools
from pathlib import Path

import jinja2
from markupsafe import Markup

from . import plots
from .results import Run
from .suites import ABOUT, SUITES
from .tables import tables, unflattering


def write(run: Run, folder: Path) -> tuple[Path, list[plots.Picture]]:
    """Write results.json, the plots and report.html into a folder; return the report and plots."""
    folder.mkdir(parents=True, exist_ok=True)
    run.write(folder / "results.json")
    drawn = plots.draw(run, folder)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True
    )
    grouped = [
        (SUITES[name], list(group))
        for name, group in itertools.groupby(tables(run), lambda t: t.suite)
    ]
    page = environment.get_template("report.html").render(
        run=run,
        suites=grouped,
        pictures=[
            (picture, Markup(plots.inline(picture.path))) for picture in drawn if picture.path
        ],
        absent=[picture for picture in drawn if not picture.path],
        about=ABOUT,
        unflattering=unflattering(run),
    )
    path = folder / "report.html"
    path.write_text(page)
    return path, drawn
