"""One entry and one module make a layout."""

from __future__ import annotations

import sys
from types import ModuleType

import pandas as pd
import pytest

from caer_data.engine import recipe
from caer_data.engine.release_layouts import LAYOUTS, Layout
from caer_data.export import layouts


@pytest.mark.parametrize("word", LAYOUTS)
def test_an_entry_has_its_module(word):
    module = layouts.module(word)
    assert word == module.NAME
    assert callable(module.plan)
    assert callable(module.finish)


def test_files_lie_in_the_folder_of_a_layout():
    for layout in LAYOUTS.values():
        assert layouts.is_media_path(f"{layout.folder}/train/x.mp4")
    wrong = ("elsewhere/x.mp4", "CAER", "CAER/", "CAER/../x.mp4", "/CAER/x.mp4", "CAER/é.mp4")
    assert not any(map(layouts.is_media_path, wrong))


def test_one_entry_adds_a_layout(monkeypatch):
    module = ModuleType("caer_data.export.layouts.flat")
    module.NAME = "flat"
    module.plan = lambda wanted: wanted.clips[["clip_id", "split"]].assign(
        layout="flat", path="flat/" + wanted.clips["clip_id"] + ".mp4"
    )
    module.finish = lambda finished: None
    monkeypatch.setitem(sys.modules, module.__name__, module)
    entry = Layout("flat", "*.mp4", "clips beside each other")
    monkeypatch.setitem(LAYOUTS, "flat", entry)
    assert recipe.load({"export": {"layouts": ["flat"]}}).export.layouts == ("flat",)
    assert layouts.is_media_path("flat/a.mp4")
    clips = pd.DataFrame({"clip_id": ["a"], "split": ["train"]})
    wanted = layouts.Wanted(clips, clips, recipe.Export(), 0)
    assert layouts.module("flat").plan(wanted)["path"].tolist() == ["flat/a.mp4"]
