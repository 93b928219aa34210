import doctest
import subprocess
import sys

import pandas as pd
import pytest

import caer_data
from caer_data import api


def test_importing_the_package_loads_no_heavy_library():
    code = (
        "import sys, caer_data; dir(caer_data); "
        "print({'pandas', 'cv2', 'torch', 'numpy'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_every_public_name_is_there_and_listed():
    assert all(getattr(caer_data, name) for name in caer_data.__all__)
    assert set(caer_data.__all__) <= set(dir(caer_data))


def test_the_examples_of_the_docstrings_hold():
    result = doctest.testmod(api)
    assert result.attempted and not result.failed


def test_missing_columns_are_named_in_one_sentence():
    with pytest.raises(caer_data.CaerError, match=r"label \(class id, 0 to 6\), show"):
        caer_data.split(pd.DataFrame({"clip_id": ["a"]}))
