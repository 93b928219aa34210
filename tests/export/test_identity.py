"""Persons across shows: known in the dataset, kept together in a release, embeddings nowhere."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from export_fixtures import options

from caer_data.engine import tables
from caer_data.engine.artifacts import Store
from caer_data.engine.progress import Reporter
from caer_data.export.release import export

QUIET = Reporter("quiet")


def _same(dataset, *names: str) -> None:
    """These persons are one."""
    people = tables.frame(
        tables.PEOPLE,
        [
            {"person_id": f"show-{show}-p{n}", "show": f"Show {show}", "tracks": 1, "shots": 1,
             "videos": 1, "seconds": 1.0, "best_track_id": f"show-{show}-e0-s00-t0",
             "identity": names[0] if f"show-{show}-p{n}" in names else f"show-{show}-p{n}"}
            for show in range(3)
            for n in range(2)
        ],
    )  # fmt: skip
    dataset.write(tables.PEOPLE, people)


def test_by_person_holds_over_shows(dataset, tmp_path):
    _same(dataset, "show-0-p0", "show-2-p1")
    for seed in range(4):
        asked = options(by="person", seed=seed, media=False)
        made = export(dataset, tmp_path / f"r{seed}", asked, QUIET)
        own = made.manifest[made.manifest["identity"] == "show-0-p0"]
        assert set(own["person_id"]) == {"show-0-p0", "show-2-p1"}
        assert own["split"].nunique() == 1
        assert not [v for v in made.findings if "person" in v.check]
    by_show = export(dataset, tmp_path / "s", options(by="show", media=False), QUIET)
    found = [v.check for v in by_show.findings if "person" in v.check]
    assert found == ["same person in two shows"]


def test_no_embedding_is_in_a_release(dataset, tmp_path):
    vectors = np.random.default_rng(0).normal(size=(9, 128)).astype(np.float32)
    store = Store(dataset.work_folder)
    store.make("faces", "0" * 16, "1", lambda folder: np.save(folder / "embeddings.npy", vectors))
    _same(dataset, "show-0-p0", "show-2-p1")
    made = export(dataset, tmp_path / "r", options(), QUIET)
    files = [path for path in made.folder.rglob("*") if path.is_file()]
    assert not [p.name for p in files if vectors[0].tobytes() in p.read_bytes()]
    tables_of = [path for path in files if path.suffix == ".parquet"]
    assert len(tables_of) >= 3
    for path in tables_of:  # no cell can hold a vector
        types = pq.read_schema(path).types
        assert not [t for t in types if pa.types.is_nested(t) or pa.types.is_binary(t)], path
