"""The gallery: every figure is drawn, on either engine, and its page says what it shows."""

import json
from pathlib import Path

import pytest
from commands import Shell

from lab import library
from lab.gallery import EXHIBITS, How, gather, index, read, save
from lab.gallery.scenarios import Study

LARGEST = 150_000  # bytes of a picture
NAMES = [exhibit.name for exhibit in EXHIBITS]


def test_every_scenario_has_a_name_of_its_own_and_quick_ones_are_fewer() -> None:
    for quick in (False, True):
        studies, idlers = gather(EXHIBITS, quick)
        assert all(isinstance(study, Study) for study in studies)
        assert any(study.measured for study in studies) and idlers
    whole = [study for exhibit in EXHIBITS for study in exhibit.studies(False)]
    by_name: dict[str, object] = {}
    for study in whole:
        assert by_name.setdefault(study.scenario.name, study.scenario) == study.scenario
    assert not set(by_name) & set(library.names())
    assert len(gather(EXHIBITS, True)[0]) < len(gather(EXHIBITS, False)[0])


def test_all_figures_are_drawn_in_quick_mode(shell: Shell, tmp_path: Path) -> None:
    answer = shell("gallery", "--quick", "--engine", "simulation", "--out", tmp_path, "--json")
    assert (answer.status, answer.err) == (0, "")
    data = json.loads(answer.out)
    assert data["violations"] == []
    assert [exhibit["name"] for exhibit in data["exhibits"]] == NAMES
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    for exhibit in data["exhibits"]:
        picture = Path(exhibit["file"]).read_bytes()
        assert picture.startswith(b"\x89PNG") and len(picture) < LARGEST, exhibit["name"]
        assert f"]({exhibit['name']}.png)" in page
        for told in ("title", "question"):
            assert exhibit[told] in page
    assert "simulated, in the quick form" in page and "measured on:" in page


def test_both_engines_and_one_figure_added_to_a_page(shell: Shell, tmp_path: Path) -> None:
    one = ("gallery", "--quick", "--engine", "simulation", "--only", "lag", "--out", tmp_path)
    assert shell(*one).status == 0
    answer = shell("gallery", "--quick", "--only", "load", "--out", tmp_path)
    assert answer.status == 0, answer.err
    assert [line.split(":")[0] for line in answer.out.splitlines()] == [
        str(tmp_path / "load.png"),
        "Written",
    ]
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"]({name}.png)" in page] == ["load", "lag"]
    assert page.count("(simulated and measured, in the quick form") == 1
    assert page.count("(simulated, in the quick form") == 1
    assert "Measured on:" in page


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--only", "ecdff"), "--only ecdff: no such figure; did you mean 'ecdf'?"),
        (("--engine", "theory"), "--engine: got 'theory'; need one of simulation, loopback"),
        (("--out", "/dev/null/x"), "--out: got /dev/null/x; need a folder that can be written"),
    ],
)
def test_wrong_input_is_told_in_a_line(arguments: tuple[str, ...], text: str, shell: Shell) -> None:
    answer = shell("gallery", *arguments)
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.strip() == f"pushpull: {text}"


def test_a_page_of_nothing_is_a_page() -> None:
    assert index({}).startswith("# Gallery")


def test_a_page_is_not_stopped_by_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "ecdf.png").write_bytes(b"")
    for text in ("", "[]", '{"ecdf": {"colour": 1}}', '{"ecdf": 3}'):
        (tmp_path / "gallery.json").write_text(text, encoding="utf-8")
        assert read(tmp_path) == {}
    save(tmp_path, {"ecdf": b"x"}, How(["loopback"], disturbed=(2, 9), notes=["a note"]))
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert read(tmp_path)["ecdf"].disturbed == [2, 9]
    assert (
        "Of all 9 runs measured in that session, 2 were disturbed." in page and "- a note" in page
    )
