import sys

from caer_data.engine import packages


def test_a_file_is_found_without_importing_its_package(tmp_path, monkeypatch):
    package = tmp_path / "package_that_fails"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('imported')")
    (package / "model.onnx").write_bytes(b"weights")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert packages.file_of("package_that_fails", "model.onnx") == package / "model.onnx"
    assert "package_that_fails" not in sys.modules


def test_a_missing_package_or_file_is_none():
    assert packages.file_of("no_such_package_at_all", "model.onnx") is None
    assert packages.file_of("caer_data", "model.onnx") is None
