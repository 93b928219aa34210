"""Recipes made to break the reader: each is one sentence that names the file, and soon."""

from __future__ import annotations

import time

import pytest

from caer_data.benchmark import recipe as model_recipes
from caer_data.engine import recipe as recipes
from caer_data.engine import safe_yaml
from caer_data.engine.errors import CaerError

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{now}: &{now} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, now in zip("abcdefgh", "bcdefghi", strict=True)
)

HOSTILE = {
    # values that YAML cannot read
    "impossible date": "seed: 2001-99-99",
    "impossible time": "seed: 2001-01-01 99:99:99",
    "word tagged int": "seed: !!int x",
    "word tagged float": "people: {threshold: !!float x}",
    "word tagged bool": "shots: {refine: !!bool perhaps}",
    "word tagged timestamp": "seed: !!timestamp soon",
    "word tagged null": "seed: !!null x",
    "no base64": "name: !!binary '%%%'",
    "letters outside base64": "name: !!binary 'ü'",
    "integer of 5,000 digits": f"seed: {'9' * 5000}",
    "negative integer of 5,000 digits": f"seed: -{'9' * 5000}",
    "hexadecimal of 5,000 digits": f"seed: 0x{'f' * 5000}",
    "binary of 100,000 digits": f"seed: 0b{'1' * 100_000}",
    "base 60 of many digits": f"seed: 1{':59' * 5000}",
    "large integer for a float": f"people: {{threshold: 1{'0' * 4000}}}",
    "float of 5,000 digits": f"people: {{threshold: {'9' * 5000}.0}}",
    "float of a large exponent": "people: {threshold: 1.0e+999999999}",
    "underscores": "seed: 0x_",
    "sign alone": "seed: !!int '-'",
    # numbers that are none, or too much
    "infinity": "clips: {max_seconds: .inf}",
    "minus infinity": "faces: {min_score: -.inf}",
    "not a number": "faces: {weak_score: .nan}",
    "negative seed": "seed: -1",
    "seed beyond 32 bits": "seed: 4294967296",
    "no frames": "clips: {min_frames: 0}",
    "width of nothing": "shots: {width: 0}",
    "split of nothing": "export: {split: [0, 0, 0]}",
    "split of two": "export: {split: [50, 50]}",
    "split of infinity": "export: {split: [.inf, 0, 0]}",
    "truth as a number": "seed: true",
    "word as truth": "shots: {refine: 'yes'}",
    "number as text": "seed: '7'",
    # repetition without end
    "billion laughs": LAUGHS,
    "laughs in mappings": LAUGHS.replace("[", "{k: [").replace("]", "]}"),
    "recursive alias in a list": "a: &a [*a]",
    "recursive alias in a mapping": "a: &a {b: *a}",
    "recursive alias at the root": "&a {b: *a}",
    "two that hold each other": "a: &a [&b [*a, *b]]",
    "unknown alias": "seed: *nobody",
    "anchor given twice": "a: &a 1\nb: &a 2",
    "merge": "shots: &s {min_frames: 9}\nfaces: {<<: *s}",
    "merge of a list": "shots: {<<: [1, 2]}",
    "merge of itself": "shots: &s {<<: *s}",
    # depth and size
    "5,000 brackets": "[" * 5000,
    "5,000 closed brackets": "[" * 5000 + "]" * 5000,
    "100,000 brackets": "[" * 100_000,
    "5,000 braces": "{a: " * 5000,
    "5,000 dashes": "- " * 5000 + "x",
    "5,000 levels of indentation": "\n".join(" " * n + "a:" for n in range(500)),
    "21 levels": "a: " + "[" * 20 + "]" * 20,
    "30,000 values": f"videos: {{extensions: [{'a,' * 30_000}]}}",
    "300,000 characters": "#" * 300_000,
    "300,000 characters of text": f"name: {'x' * 300_000}",
    # structure
    "a list": "- seed: 1",
    "a word": "caer",
    "a number": "7",
    "two documents": "seed: 1\n---\nseed: 2",
    "two documents, the first empty": "---\n---\nseed: 2",
    "a key twice": "seed: 1\nseed: 2",
    "a key twice, once quoted": "seed: 1\n'seed': 2",
    "a list as key": "? [a]\n: 1",
    "a mapping as key": "? {a: 1}\n: 1",
    "a number as key": "7: 1",
    "null as key": "~: 1",
    "truth as key": "yes: 1",
    "infinity as key": ".inf: 1",
    "an empty key": ": 1",
    "a date as key": "2001-01-01: 1",
    "an impossible date as key": "2001-99-99: 1",
    "a very long key": f"{'k' * 900}: 1",
    "a section that is a list": "shots: [1]",
    "a section that is a word": "shots: fast",
    "a section that is null": "shots: ~",
    "an ordered map": "shots: !!omap [a: 1]",
    "an ordered map of words": "shots: !!omap [a]",
    "pairs": "shots: !!pairs [a: 1]",
    "a set": "shots: !!set {a, b}",
    "a set as extensions": "videos: {extensions: !!set {a, b}}",
    # programs
    "a call": "seed: !!python/object/apply:os.system ['true']",
    "an object": "seed: !!python/object:caer_data.Dataset {}",
    "a module": "seed: !!python/module:os",
    "a tag of ours": "seed: !caer 1",
    "a tag without end": "seed: !<tag:" + "x" * 2000,
    # text
    "unfinished bracket": "shots: [",
    "unfinished quote": "name: 'caer",
    "unknown escape": 'name: "\\q"',
    "tab as indentation": "shots:\n\tmin_frames: 5",
    "wrong indentation": "shots:\n   min_frames: 5\n  width: 256",
    "directive of another version": "%YAML 9.9\n---\nseed: 1",
    "control character": "name: a\x01b",
    "null character": "name: a\0b",
    "half a character": 'name: "\\ud800"',
    "half a character as key": '"\\ud800": 1',
    "escape of a terminal as key": '"\\e[31m": 1',
    "byte order mark inside": "seed: 1\n\ufeff\ufeffname: 2",
    "colon in a value": "name: a: b",
    "at sign": "name: @caer",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_every_mistake_is_one_sentence_that_names_the_file(text):
    started = time.perf_counter()
    with pytest.raises(CaerError) as found:
        recipes.parse(text, "x.yaml")
    said = str(found.value)
    assert said.startswith("x.yaml:")
    assert "\n" not in said
    assert said.isprintable()
    assert len(said) < 1000
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_model_recipes_are_as_careful(text):
    with pytest.raises(CaerError, match=r"^x\.yaml:"):
        model_recipes.parse(text, "x.yaml")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("impossible date", 1),
        ("wrong indentation", 3),
        ("two documents", 2),
        ("billion laughs", 5),
        ("half a character", 1),
        ("byte order mark inside", 2),
    ],
)
def test_the_line_is_named(name, line):
    with pytest.raises(CaerError, match=rf"^x\.yaml:{line}: "):
        recipes.parse(HOSTILE[name], "x.yaml")


def test_aliases_of_plain_values_are_fine():
    values, _ = safe_yaml.read("a: &n 7\nb: [*n, *n]\nc: &c {d: *n}\ne: [*c]\n", "x.yaml")
    assert values == {"a": 7, "b": [7, 7], "c": {"d": 7}, "e": [{"d": 7}]}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("binary.yaml", b"\xff\xfe\x00", "cannot be read as a text file"),
        ("huge.yaml", b"#" * 2_000_000, "is longer than the maximum of 262144 characters"),
        ("n" * 300, None, "the file name is too long"),
        ("null\0.yaml", None, "no such recipe"),
        ("half\ud800.yaml", None, "no such recipe"),
        (".", None, "no such recipe"),
    ],
    ids=["binary", "huge", "long name", "null in name", "half a character", "folder"],
)
def test_files_that_are_no_recipes(tmp_path, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CaerError, match=words):
        recipes.load(path)
