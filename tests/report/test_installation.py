import json
import shutil
import types

import pytest
from click.testing import CliRunner

from caer_data.cli import doctor as cli_doctor
from caer_data.engine import extras
from caer_data.engine.errors import CaerError
from caer_data.faces.models import onnx, weights
from caer_data.report import installation as doctor
from caer_data.report import trial


def by_name(look):
    return {finding.name: finding for finding in look()}


def run(*arguments):
    return CliRunner().invoke(cli_doctor.command, arguments, standalone_mode=False)


@pytest.fixture(scope="module")
def report():
    return run("--json")


def test_everything_the_default_build_needs_is_found_here(report):
    assert report.return_value == 0, report.output
    assert json.loads(report.output)["ok"] is True


def test_the_report_covers_every_part(report):
    names = {row["name"] for row in json.loads(report.output)["findings"]}
    assert names >= {
        "Python", "platform", "processor", "packages", "extra 'benchmark'", "dlib",
        "ONNX Runtime", "OpenCV", "ffmpeg", "PyAV", "PySceneDetect", "extra 'transnet'",
        "Label Studio",
        *weights.EMBEDDED,
    }  # fmt: skip


def test_whatever_is_not_there_comes_with_a_command(report):
    for row in json.loads(report.output)["findings"]:
        if row["status"] in ("missing", "warning"):
            assert row["fix"], row


def test_the_table_names_what_is_missing_and_the_exit_code_is_1(monkeypatch):
    def broken():
        yield doctor.Finding("ffmpeg", "missing", "does not run", "pip install imageio-ffmpeg")

    monkeypatch.setattr(doctor, "_LOOKS", (doctor._machine, broken))
    result = run()
    assert result.return_value == 1
    assert "> pip install imageio-ffmpeg" in result.output
    assert "needs what is marked 'missing'" in result.output


def test_what_is_optional_leaves_the_exit_code_0(monkeypatch):
    def lacking():
        yield doctor.Finding("TransNetV2", "optional", "not installed", "pip install it")

    monkeypatch.setattr(doctor, "_LOOKS", (lacking,))
    assert run().return_value == 0


def test_a_part_that_breaks_is_a_finding_and_the_rest_is_still_told(monkeypatch):
    def _broken_part():
        raise RuntimeError("undefined symbol")
        yield

    monkeypatch.setattr(doctor, "_LOOKS", (_broken_part, doctor._machine))
    findings = {finding.name: finding for finding in doctor.examine()}
    assert findings["broken part"].status == "missing"
    assert "undefined symbol" in findings["broken part"].found
    assert findings["Python"].status == "ok"


def test_a_package_that_is_missing_or_too_old_is_named_with_its_command(monkeypatch):
    required = ["numpy>=999", "no-such-package-at-all", "extra-only; extra == 'x'"]
    monkeypatch.setattr(extras.importlib.metadata, "requires", lambda name: required)
    finding = by_name(doctor._packages)["packages"]
    assert finding.status == "missing"
    assert finding.fix == "pip install 'numpy>=999' 'no-such-package-at-all'"


def test_damaged_embedded_weights_are_found(monkeypatch, tmp_path):
    (tmp_path / "damaged.dat").write_bytes(b"x")
    monkeypatch.setattr(weights, "embedded", lambda name: tmp_path / "damaged.dat")
    for name in weights.EMBEDDED:
        finding = by_name(doctor._embedded_models)[name]
        assert finding.status == "missing"
        assert "face_recognition_models" in finding.fix


def test_two_onnx_runtimes_and_two_opencvs_are_warned_about(monkeypatch):
    owners = {
        "onnxruntime": ["onnxruntime", "onnxruntime-gpu"],
        "cv2": ["opencv-python", "opencv-python-headless"],
    }
    monkeypatch.setattr(doctor.importlib.metadata, "packages_distributions", lambda: owners)
    runtime = by_name(doctor._onnx_runtime)["ONNX Runtime packages"]
    assert runtime.status == "warning"
    assert runtime.fix.startswith("pip uninstall -y onnxruntime onnxruntime-gpu && pip install ")
    opencv = by_name(doctor._opencv)["OpenCV packages"]
    assert opencv.status == "warning"
    assert "opencv-python-headless>=4.12,<5" in opencv.fix


def test_a_provider_that_is_listed_but_does_not_run_is_warned_about(monkeypatch):
    fake = types.SimpleNamespace(
        get_available_providers=lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
        __version__="1",
    )
    monkeypatch.setattr(onnx, "import_onnxruntime", lambda: fake)
    outcome = ("CPUExecutionProvider", "Failed to load libcublas")
    monkeypatch.setattr(onnx, "provider_that_runs", lambda name: outcome)
    findings = by_name(doctor._onnx_runtime)
    assert findings["  cuda provider"].status == "warning"
    found = findings["  cuda provider"].found
    assert found == "listed, but cpu runs instead (Failed to load libcublas)"
    assert findings["  cpu provider"].status == "ok"


def test_a_gpu_without_triton_or_compiler_is_warned_about(monkeypatch):
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    finding = doctor._triton()
    assert (finding.status, finding.fix) == ("warning", "pip install triton")
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr("torch.cuda.current_device", lambda: 0)
    problems = ["RuntimeError: Failed to find C compiler", None]
    monkeypatch.setattr("caer_data.benchmark.kernels.why_not", lambda device: problems.pop(0))
    finding = doctor._triton()
    assert finding.status == "warning" and "Failed to find C compiler" in finding.found
    assert doctor._triton().status == "ok"


def test_a_broken_onnx_runtime_is_missing(monkeypatch):
    def broken():
        raise CaerError("ONNX Runtime does not load")

    monkeypatch.setattr(onnx, "import_onnxruntime", broken)
    assert by_name(doctor._onnx_runtime)["ONNX Runtime"].status == "missing"


def test_the_processor_really_runs_the_tiny_model():
    assert onnx.provider_that_runs("CPUExecutionProvider") == ("CPUExecutionProvider", "")


def test_local_models_are_listed_with_licence(media_data, monkeypatch):
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(media_data / "weights"))
    findings = by_name(doctor._local_models)
    (name,) = (name for name in findings if name.startswith("det_500m"))
    assert findings[name].status == "ok"
    assert "non-commercial" in name


def test_an_ffmpeg_that_does_not_run_is_missing(monkeypatch):
    import imageio_ffmpeg

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: "/no/such/ffmpeg")
    assert by_name(doctor._ffmpeg)["ffmpeg"].status == "missing"
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: "ffmpeg")
    monkeypatch.setattr(doctor, "_run", lambda arguments: " V..... mpeg4 x\nffmpeg version 9 x")
    assert "lacks libx264, aac" in by_name(doctor._ffmpeg)["ffmpeg"].found


STEPS = ("decodes", "finds faces", "cuts", "plays")


def test_a_second_of_video_goes_through_every_step():
    findings = list(doctor._a_second_of_video())
    assert [item.name for item in findings] == [f"one second of video {name}" for name in STEPS]
    assert all(item.status == "ok" for item in findings), findings
    assert "one face by" in findings[1].found


def test_a_library_that_lost_an_argument_is_found(monkeypatch):
    def opens(*arguments, **options):
        raise TypeError("open() got an unexpected keyword argument 'metadata_errors'")

    monkeypatch.setattr(trial, "probe", opens)
    (finding,) = doctor._a_second_of_video()
    assert finding.status == "missing"
    assert "metadata_errors" in finding.found
    assert finding.fix.startswith("pip install --force-reinstall 'av")


def test_a_clip_that_no_browser_plays_is_found(monkeypatch):
    def cut(source, span, target, settings):
        shutil.copy(source.path, target)
        return types.SimpleNamespace(frames=25, has_audio=True)

    monkeypatch.setattr(trial, "cut_clip", cut)
    *_, last = doctor._a_second_of_video()
    assert (last.status, last.found) == (
        "missing",
        "CaerError: the clip holds 25 frames as h264, yuv420p, aac",
    )


def test_a_platform_that_is_not_tested_is_named(monkeypatch):
    monkeypatch.setattr(doctor.platform, "machine", lambda: "riscv64")
    finding = by_name(doctor._machine)["platform"]
    assert finding.status == "optional"
    assert "tested on Linux on x86-64 only" in finding.found
