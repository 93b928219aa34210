"""One entry and one module make a layout."""

from __future__ import annotations

import pytest

from caer_data.engine.release_layouts import LAYOUTS
from caer_data.export import layouts


@pytest.mark.parametrize("word", LAYOUTS)
def test_an_entry_has_its_module(word):
    module = layouts.module(word)
    assert word == module.NAME
    assert callable(module.plan)
    assert callable(module.finish)


def test_files_lie_in_the_folder_of_a_layout():
    for layout in LAYOUTS.values():
        assert layouts.FOLDERS.fullmatch(f"{layout.folder}/train/x.mp4")
    assert not layouts.FOLDERS.fullmatch("elsewhere/x.mp4")
