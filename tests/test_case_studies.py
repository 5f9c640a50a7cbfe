"""Every case study gives the numbers that it promises and draws its figure."""

import importlib.util
import math
from pathlib import Path

import pytest
from matplotlib.figure import Figure

STUDIES = sorted((Path(__file__).resolve().parents[1] / "case_studies").glob("[!_]*.py"))


def load(path):
    spec = importlib.util.spec_from_file_location(f"case_study_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def missing(study):
    """Why a study cannot run here: data that are not part of the package. Empty for studies that bring their own."""
    return study.missing() if hasattr(study, "missing") else ""


def agrees(found, expected, tolerance):
    """Exact without a tolerance, else within rel_tol of what is expected or within abs_tol."""
    if not tolerance:
        return found == expected
    return abs(found - expected) <= max(
        tolerance.get("rel_tol", 0.0) * abs(expected), tolerance.get("abs_tol", 0.0)
    ) and math.isfinite(found)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_study_gives_its_numbers(path, tmp_path):
    study = load(path)
    absent = missing(study)
    if absent:
        pytest.skip(absent)
    result = study.compute()
    wrong = {
        name: (result[name], value, tolerance)
        for name, (value, tolerance) in study.EXPECTED.items()
        if not agrees(result[name], value, tolerance)
    }
    assert not wrong, f"{path.name}: found, expected, tolerance = {wrong}"
    drawing = study.figure(result)
    assert isinstance(drawing, Figure)
    drawing.savefig(tmp_path / "figure.png")


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_study_tells_a_story_with_a_title(path):
    title, blank, story = load(path).__doc__.split("\n", 2)
    assert title
    assert not blank
    assert len(story) > 200


def test_a_study_without_its_data_says_which_files_it_wants(tmp_path):
    study = load(next(path for path in STUDIES if path.stem == "air_track_and_pendulum"))
    assert "real_linear_h_1.txt, real_pend_h_1.txt not in" in study.missing(tmp_path)
    with pytest.raises(FileNotFoundError, match="real_pend_h_1"):
        study.compute(tmp_path)


def test_only_studies_of_foreign_data_may_be_skipped():
    assert [path.stem for path in STUDIES if hasattr(load(path), "missing")] == ["air_track_and_pendulum"]


def test_the_comparison_can_fail():
    """Negative control for the comparison itself."""
    assert agrees(1.0 + 1e-7, 1.0, {"rel_tol": 1e-6})
    assert not agrees(1.0 + 1e-5, 1.0, {"rel_tol": 1e-6})
    assert not agrees(float("nan"), 1.0, {"rel_tol": 1e-6})
    assert not agrees("certified", "undecided", {})
    assert not agrees(1e-3, 0.0, {"rel_tol": 1e-3})
