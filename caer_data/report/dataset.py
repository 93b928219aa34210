"""`report.html`: one page about everything that happened to the shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import yaml
from markupsafe import Markup

from caer_data.curate.funnel import (
    REASONS,
    duration_text,
    funnel,
    in_force,
    label,
    limit_of,
    score_text,
)
from caer_data.engine import anchors, recipe, tables
from caer_data.engine.dataset import Dataset
from caer_data.engine.decisions import KINDS, Decisions
from caer_data.engine.files import write_text
from caer_data.report import again, composition, flow, pages, sheets
from caer_data.report.known import known
from caer_data.report.pages import Section
from caer_data.report.pictures import Pictures, short_name
from caer_data.report.status import built_at

KEPT_SHOWN: Final = 12
"""Number of whole pictures with boxes."""
DROPPED_SHOWN: Final = 12
"""Number of dropped clips shown per reason."""
PEOPLE_SHOWN: Final = 8
"""Maximum number of people per show, those longest on screen."""
FACES_SHOWN: Final = 6
"""Maximum number of faces per person."""
SHOWS_SHOWN: Final = 12
_VIDEOS_SHOWN: Final = 500


def write_report(
    dataset: Dataset, release: Path | None = None, results: Path | None = None
) -> Path:
    """Write `report.html` into a dataset folder, with everything known so far; return its path.

    The page contains all its pictures, makes no network requests, and stays below about ten
    megabytes for any dataset, because it shows samples and states their number.

    Args:
        dataset: a complete build.
        release: a release made from it. If it is None or missing, that of the last report is used,
            if there is one.
        results: folder of benchmark results; the same applies.

    Raises:
        CaerError: the folder is not a dataset, or a table is missing or damaged.
    """
    videos, shots, clips, people = dataset.videos, dataset.shots, dataset.clips, dataset.people
    release, results = known(dataset, release, results)
    pictures = Pictures(dataset)
    used = dataset.recipe
    splits = flow.splits_of(release) if release and _has_manifest(release) else {}
    sections = [
        Section("Overview", _way(dataset, splits)),
        _funnel(funnel(videos, shots, clips)),
        _kept(dataset, clips, pictures),
        _dropped(clips, pictures, used),
        _people(people, dataset.tracks, pictures),
        *_again(dataset, pictures),
        _distributions(shots, clips, dataset.tracks),
        _videos(videos, shots, clips),
        *_later(dataset, release, results, pictures),
        *_by_hand(dataset),
        _words(used),
        Section("Recipe", pages.code(_short(recipe.dump(used)))),
        _made_with(dataset),
    ]
    write_text(
        dataset.report_path,
        pages.page("Dataset report", sections, _subtitle(videos, clips)),
    )
    return dataset.report_path


def _macro(name: str, *values: Any) -> Markup:
    template = pages.environment("caer_data.report").get_template("dataset.html")
    return Markup(getattr(template.module, name)(*values))  # noqa: S704 - it escapes its values


def _subtitle(videos: pd.DataFrame, clips: pd.DataFrame) -> str:
    good = videos[videos["status"].isin([*tables.USED, "absent"])]
    kept = anchors.present(clips)
    return (
        f"{_count(good['show'].nunique(), 'show')}, {_count(len(good), 'video')}, "
        f"{duration_text(float(good['duration_s'].sum()))}: "
        f"{len(kept):,} of {_count(len(clips), 'clip')} kept"
    )


def _funnel(steps: pd.DataFrame) -> Section:
    """Return bars by duration; the part removed for a reason starts where the bar above ends."""
    longest = max(float(steps["seconds"].max()), 1e-9)
    rows = []
    end = 0.0
    for step in steps.to_dict("records"):
        width = 100 * step["seconds"] / longest
        if step["change"] == "left":
            start, end = 0.0, width
        else:
            end -= width
            start = end
        unit = step["of"].removesuffix("s")
        rows.append(
            step
            | {
                "from": round(max(start, 0.0), 2),
                "width": round(width, 2),
                "label": label(step),
                "text": f"{_count(step['count'], unit)}, {duration_text(step['seconds'])}",
            }
        )
    note = "Bars show durations. The terms are explained under Words."
    return Section(
        "Funnel", _macro("style") + _macro("funnel", rows) + pages.paragraph(note, "note")
    )


def _way(dataset: Dataset, splits: dict[str, str]) -> Markup:
    drawn = flow.picture(dataset, splits)
    note = (
        "Widths show durations; dropped material ends in red. On a small screen, scroll sideways."
    )
    return Markup('<div class="scroll" tabindex="0">{}</div>{}').format(
        drawn, pages.paragraph(note, "note")
    )


def _has_manifest(release: Path) -> bool:
    return (release / "manifest.parquet").is_file()


def _kept(dataset: Dataset, clips: pd.DataFrame, pictures: Pictures) -> Section:
    """Return the clearest faces by show and person, then some whole pictures with boxes."""
    faces = sheets.kept(dataset, pictures)
    kept = anchors.present(clips).sort_values("clip_id")
    if kept.empty:
        return faces
    shown = _evenly(kept, KEPT_SHOWN)
    note = (
        f"{_some(shown, kept, 'clips')}. The target's box is thick; persons are numbered within "
        "each show."
    )
    tiles = [
        {
            "thumbnail": thumbnail,
            "what": clip["clip_id"],
            "note": f"{clip['end_s'] - clip['start_s']:.1f} s, face {_percent(clip['face_height'])}"
            f" of the height, seen {_percent(clip['coverage'])}, sharpness {clip['sharpness']:.2f}",
        }
        for clip, thumbnail in zip(
            shown.to_dict("records"), pictures.thumbnails(shown), strict=True
        )
    ]
    whole = Markup("<h3>Whole pictures</h3>") + pages.paragraph(note) + _macro("sheet", tiles)
    return Section(faces.title, faces.html + whole)


def _dropped(clips: pd.DataFrame, pictures: Pictures, used: recipe.Recipe) -> Section:
    html = Markup()
    for reason in REASONS:
        dropped = clips[clips["reason"].eq(reason).fillna(False)].sort_values("clip_id")
        if dropped.empty:
            continue
        shown = _evenly(dropped, DROPPED_SHOWN)
        tiles = [
            {"thumbnail": thumbnail, "what": clip["clip_id"], "note": score_text(clip, used)}
            for clip, thumbnail in zip(
                shown.to_dict("records"), pictures.thumbnails(shown), strict=True
            )
        ]
        html += Markup('<h3><a href="#word-{0}">{0}</a>: {1}</h3>{2}').format(
            reason, _some(shown, dropped, "clips"), _macro("sheet", tiles)
        )
    return Section("Dropped clips", html or pages.paragraph("No clip was dropped."))


def _people(people: pd.DataFrame, tracks: pd.DataFrame, pictures: Pictures) -> Section:
    if people.empty:
        return Section("People", pages.paragraph("No face was followed."))
    html = Markup()
    shows = list(dict.fromkeys(people["show"]))
    if len(shows) > SHOWS_SHOWN:
        html += pages.paragraph(f"The first {SHOWS_SHOWN} of {len(shows)} shows.", "note")
    by_person = dict(list(tracks.groupby("person_id", observed=True)))
    for show in shows[:SHOWS_SHOWN]:
        own = people[people["show"] == show].sort_values(
            ["seconds", "person_id"], ascending=[False, True]
        )
        shown = own.head(PEOPLE_SHOWN)
        html += Markup("<h3>{}: {}</h3>").format(show, _some(shown, own, "people", "longest seen"))
        for person in shown.to_dict("records"):
            seen = by_person[person["person_id"]]
            faces = _evenly(seen.sort_values("track_id"), FACES_SHOWN)
            ids = dict(zip(faces["track_id"], faces["video_id"], strict=True))
            text = (
                f"{duration_text(person['seconds'])} on screen, {_count(person['shots'], 'shot')}, "
                f"{_count(person['videos'], 'video')}, {_some(faces, seen, 'tracks')}"
            )
            html += _macro(
                "person",
                short_name(person["person_id"]),
                text,
                [pictures.portrait(video, track) for track, video in ids.items()],
            )
    return Section("People", html)


def _distributions(shots: pd.DataFrame, clips: pd.DataFrame, tracks: pd.DataFrame) -> Section:
    kept = clips["status"].isin(tables.PRESENT)
    length = (clips["end_s"] - clips["start_s"]).astype(float)
    html = Markup('<div class="plots">')
    for title, values, split, whole in (
        ("Length of a clip, s", length, kept, False),
        ("People who stay in view", clips["n_people"].astype(float), kept, True),
        ("Target's face height, share of frame", clips["face_height"], kept, False),
        ("Target's sharpness", clips["sharpness"], kept, False),
    ):
        groups = [values[split].dropna(), values[~split].dropna()]
        html += _histogram(title, groups, ("kept", "dropped"), whole)
    html += _histogram(
        "Face height of a track, share of frame", [tracks["face_height"]], ("",), False
    )
    followed = tracks["shot_id"].value_counts().reindex(shots["shot_id"], fill_value=0)
    html += _histogram("Tracks of a shot", [followed], ("",), True)
    return Section("Lengths, sizes, people", html + Markup("</div>"))


def _histogram(title: str, groups: list[Any], labels: tuple[str, ...], whole: bool) -> Markup:
    """Return a histogram with stacked counts; the last bar includes the rest of a long tail."""
    values = np.concatenate([np.asarray(group, float) for group in groups])
    if not len(values):
        return Markup()
    top = float(np.quantile(values, 0.99)) if len(values) >= 100 else float(values.max())
    low = min(0.0, float(values.min()))
    edges = np.arange(low, min(top, 40) + 2) - 0.5 if whole else np.linspace(low, top or 1.0, 31)
    with pages.figure(4.6, 2.5) as (figure, axes):
        axes.hist(
            [np.minimum(np.asarray(group, float), edges[-1] - 1e-9) for group in groups],
            bins=edges,
            histtype="stepfilled",  # one outline is drawn much sooner than dozens of bars
            stacked=True,
            label=list(labels),
            color=["#3f9b6c", "#c0504d"][: len(groups)] if len(groups) > 1 else pages.COLOURS[0],
        )
        axes.set_title(title, loc="left", fontsize=10)
        axes.yaxis.get_major_locator().set_params(integer=True)
        if whole:
            axes.xaxis.get_major_locator().set_params(integer=True)
        if len(groups) > 1:
            axes.legend()
    return pages.plot(figure, title)


def _videos(videos: pd.DataFrame, shots: pd.DataFrame, clips: pd.DataFrame) -> Section:
    bad = videos[videos["status"] != "ok"]
    failed = videos[videos["status"] == "failed"]
    html = Markup("<h3>{}</h3>").format(
        _count(len(failed), "file that failed", "files that failed")
        if len(failed)
        else "No file failed"
    )
    if len(bad):
        html += pages.table(bad[["path", "status", "reason"]])
    good = videos[videos["status"].isin(tables.USED)]
    table = pd.DataFrame(
        {
            "show": good["show"],
            "episode": good["episode"],
            "length": [duration_text(float(s)) for s in good["duration_s"]],
            "size": [f"{w}x{h}" for w, h in zip(good["width"], good["height"], strict=True)],
            "frames/s": [_rate(fps) for fps in good["fps"]],
            "shots": _per_video(good, shots),
            "clips": _per_video(good, clips),
            "kept": _per_video(good, anchors.present(clips)),
            "remark": good["reason"],
        }
    )
    shown = table.head(_VIDEOS_SHOWN)
    html += Markup("<h3>{}</h3>").format(_some(shown, table, "videos", "first"))
    return Section("Videos", html + pages.table(shown.dropna(axis="columns", how="all")))


def _per_video(videos: pd.DataFrame, rows: pd.DataFrame) -> list[int]:
    counts = rows["video_id"].value_counts()
    return [int(counts.get(video_id, 0)) for video_id in videos["video_id"]]


def _again(dataset: Dataset, pictures: Pictures) -> list[Section]:
    found = again.persons(dataset, pictures), again.repeats(dataset, pictures)
    return [section for section in found if section is not None]


def _later(
    dataset: Dataset, release: Path | None, results: Path | None, pictures: Pictures
) -> list[Section]:
    """Return the available sections on steps after the build."""
    found = []
    if dataset.has(tables.RATINGS):
        from caer_data.report import raters

        found += [raters.section(dataset), composition.emotions(dataset)]
    if release is not None:
        found.append(composition.splits(dataset, release, pictures))
    if results is not None:
        from caer_data.report import benchmarked

        found.append(benchmarked.section(results, release, dataset, pictures))
    return [section for section in found if section is not None]


def _by_hand(dataset: Dataset) -> list[Section]:
    """Return a section with numbers of decisions: in effect, waiting for a build, and undone."""
    store = Decisions(dataset.folder)
    if not store.rows:
        return []
    standing = {row.key for row in store.standing()}
    built = built_at(dataset)
    kinds = [kind for kind in KINDS if kind != "undo"]
    rows = []
    for kind in kinds:
        own = [row for row in store.rows if row.kind == kind]
        counting = [row for row in own if row.key in standing]
        if own:
            rows.append(
                {
                    "decision": kind,
                    "count": len(counting),
                    "of these not built yet": sum(row.when > built for row in counting),
                    "undone": len(own) - len(counting),
                }
            )
    who = len({row.who for row in store.rows})
    note = f"By {_count(who, 'person')}; 'caer-data view' lists each with its reason."
    return [Section("Decisions by hand", pages.table(pd.DataFrame(rows)) + pages.paragraph(note))]


def _short(text: str) -> str:
    """Return YAML with each list on one line."""
    return yaml.safe_dump(
        yaml.safe_load(text), sort_keys=False, default_flow_style=None, allow_unicode=True
    )


def _words(used: recipe.Recipe) -> Section:
    entries = [
        ("found", "A video file below the shows folder."),
        ("failed", "A video that could not be read, or a clip that could not be cut."),
        ("duplicate", "A file with the same content as another; it is used once."),
        ("shot", "The frames between two cuts."),
        ("clip", "A shot, or an equal part of a long one; what is rated."),
        ("track", "One face followed through a shot."),
        ("person", "A cluster of tracks of one show that show the same face."),
        ("target", "The person whose emotion is rated: seen longest and largest."),
        *(
            (name, f"The clip is dropped because {reason.meaning}{_limit_text(reason, used)}.")
            for name, reason in REASONS.items()
            if name != "failed"
        ),
    ]
    return Section(
        "Words", _macro("words", [{"word": word, "meaning": text} for word, text in entries])
    )


def _limit_text(reason: Any, used: recipe.Recipe) -> str:
    if not reason.limit:
        return ""
    reason = in_force(reason, used)
    value = limit_of(reason, used)
    return f" ({reason.score} {reason.sign} {value}, {reason.limit} in the recipe)"


def _made_with(dataset: Dataset) -> Section:
    """Return versions, without the path of the shows, because reports are shared."""
    made = json.loads(dataset.provenance_path.read_text(encoding="utf-8"))
    rows = {
        "caer-data": made["caer_data"],
        "Python": made["python"],
        "platform": made["platform"],
        "ffmpeg": made["ffmpeg"],
        **made["packages"],
    }
    frame = pd.DataFrame({"part": list(rows), "version": [str(value) for value in rows.values()]})
    return Section("Made with", pages.table(frame))


def _evenly(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return at most `count` rows, spread evenly over all."""
    if len(rows) <= count:
        return rows
    return rows.iloc[np.linspace(0, len(rows) - 1, count).round().astype(int)]


def _some(shown: pd.DataFrame, of: pd.DataFrame, things: str, which: str = "") -> str:
    if len(shown) == len(of):
        return _count(len(of), {"people": "person"}.get(things, things.removesuffix("s")))
    return f"{len(shown)} of {len(of):,} {things}, {which or 'spread evenly'}"


def _count(number: int, one: str, many: str = "") -> str:
    irregular = {"person": "people"}
    return f"{number:,} {one if number == 1 else many or irregular.get(one, one + 's')}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _rate(fps: str) -> str:
    from fractions import Fraction

    return f"{float(Fraction(fps)):.5g}"
