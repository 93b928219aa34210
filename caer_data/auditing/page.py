"""The page of an audit: its findings, with pictures of the pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pandas as pd
from markupsafe import Markup

from caer_data.auditing.entries import counted
from caer_data.auditing.items import items_of
from caer_data.auditing.media import shown
from caer_data.auditing.run import LIMITS, PRELOAD, Audited, counts
from caer_data.engine import tables
from caer_data.engine.pool import Task, run_tasks
from caer_data.export import pairs as pair_lists
from caer_data.export.audit import Verdict
from caer_data.report import pages

OF_A_KIND: Final = 12
"""Maximum number of pairs of each kind shown with pictures."""

_BOX: Final = (300, 200)  # px
_NAMED: Final = 30  # maximum number of unreadable files listed


def page(audited: Audited, jobs: int) -> str:
    """Return the page as one HTML document."""
    sections = [
        pages.Section("Findings", _verdicts(audited.verdicts), "findings"),
        pages.Section("Contents", _holds(audited), "content"),
        *_pairs(audited, jobs),
    ]
    if audited.unread:
        sections.append(pages.Section("Unreadable files", _unread(audited.unread), "unread"))
    what = f"{audited.layout}; {counted(len(audited.entries), 'entry', 'entries')}"
    return pages.page(f"Audit of {audited.folder.resolve().name}", sections, what)


def _verdicts(verdicts: list[Verdict]) -> Markup:
    order = {"finding": 0, "note": 1, "not measured": 2, "ok": 3}
    rows = sorted(verdicts, key=lambda verdict: order[verdict.verdict])
    cells = [(v.verdict, v.check, v.text) for v in rows]
    return pages.table(pd.DataFrame(cells, columns=["verdict", "check", "what"]))


def _holds(audited: Audited) -> Markup:
    notes = Markup("").join(pages.paragraph(note, "note") for note in audited.notes)
    return pages.table(counts(audited.entries), "Entries by class and split") + notes


def _unread(unread: Mapping[str, str]) -> Markup:
    some = list(unread.items())[:_NAMED]
    more = len(unread) - len(some)
    table = pages.table(pd.DataFrame(some, columns=["entry", "why"]))
    return table + (pages.paragraph(f"and {more:,} more", "note") if more else Markup(""))


def _pairs(audited: Audited, jobs: int) -> list[pages.Section]:
    chosen = audited.pairs.groupby("kind", sort=False, observed=True).head(OF_A_KIND)
    pictures = _pictures(audited, chosen, jobs)
    sections = []
    for kind in pair_lists.KINDS:
        own = audited.pairs[audited.pairs["kind"] == kind]
        if own.empty:
            continue
        rows = [_figure(pair, pictures) for pair in tables.rows(chosen[chosen["kind"] == kind])]
        said = pair_lists.counted(len(own))
        said += f", {int(own['leaks'].sum()):,} of them across splits" if audited.apart else ""
        shown_ = f"; the first {len(rows)} are shown" if len(rows) < len(own) else ""
        html = pages.paragraph(f"{said}{shown_}. All are in {pair_lists.NAME}.")
        sections.append(
            pages.Section(f"Pairs: {kind}", html + Markup("").join(rows), f"pairs {kind}")
        )
    return sections


def _figure(pair: object, pictures: Mapping[tuple[str, str, float], Markup]) -> Markup:
    sides = []
    for of in ("", "of_"):
        name, split, start = (getattr(pair, f"{of}{c}") for c in ("clip_id", "split", "start_s"))
        second = 0.0 if pd.isna(start) else float(start)
        at = "" if pd.isna(start) else f" at {second:.2f} s"
        image = pictures.get((name, split, second), Markup('<span class="note">no picture</span>'))
        sides.append(
            Markup("<figure>{}<figcaption>{}: {}{}</figcaption></figure>").format(
                image, split, name, at
            )
        )
    score = getattr(pair, "score", None)
    alike = "" if score is None or pd.isna(score) else f"similarity {score:.2f}"
    return Markup('<div class="plots">{}{}</div>{}').format(*sides, pages.paragraph(alike, "note"))


def _pictures(
    audited: Audited, chosen: pd.DataFrame, jobs: int
) -> dict[tuple[str, str, float], Markup]:
    """Return pictures of the chosen pairs, if available, by clip, split and second."""
    wanted: dict[tuple[str, str], set[float]] = {}
    for of in ("", "of_"):
        for name, split, start in chosen[[f"{of}clip_id", f"{of}split", f"{of}start_s"]].itertuples(
            index=False
        ):
            wanted.setdefault((name, split), set()).add(0.0 if pd.isna(start) else float(start))
    entries = audited.entries.assign(split=audited.entries["split"].fillna("train"))
    keys = list(zip(entries["clip_id"], entries["split"], strict=True))
    own = entries.iloc[[index for index, key in enumerate(keys) if key in wanted]]
    own = own.drop_duplicates(["clip_id", "split"]).reset_index(drop=True)
    tasks = []
    for index, item in items_of(audited.folder, own):
        row = own.iloc[index]
        for second in sorted(wanted[row["clip_id"], row["split"]]):
            within = _within(row, second)
            tasks.append(Task(f"{index} {second!r}", shown, (item, within, _BOX)))
    found = {}
    for outcome in run_tasks(tasks, jobs, lambda *_: None, LIMITS, PRELOAD, reuse=True):
        if outcome.error is None:
            at, _, moment = outcome.task.name.partition(" ")
            row = own.iloc[int(at)]
            key = (row["clip_id"], row["split"], float(moment))
            found[key] = pages.jpeg(outcome.value, *_size(outcome.value), alt=str(row["clip_id"]))
    return found


def _within(row: pd.Series, second: float) -> float:
    """Return a table's time, which counts from the start of the source, as a time in the file."""
    if pd.isna(row["start_s"]):
        return second
    return max(0.0, second - float(row["start_s"]))


def _size(data: bytes) -> tuple[int, int]:
    import io

    from PIL import Image

    with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
        return picture.width, picture.height
