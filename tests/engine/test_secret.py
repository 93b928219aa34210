import stat

import pytest

from caer_data.engine.errors import CaerError
from caer_data.engine.secret import NAME, secret_of


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path):
    first = secret_of(tmp_path)
    assert len(first) == 32 and secret_of(tmp_path) == first
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == [NAME]
    (tmp_path / "other").mkdir()
    assert secret_of(tmp_path / "other") != first


@pytest.mark.parametrize("content", ["", "abcd", "not hexadecimal"])
def test_a_damaged_secret_is_not_replaced(tmp_path, content):
    (tmp_path / NAME).write_text(content)
    with pytest.raises(CaerError, match="restore it from a backup"):
        secret_of(tmp_path)
    assert (tmp_path / NAME).read_text() == content
