"""The files of an analysis: self-contained, valid, and written whole or not at all."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import dynsym as dy
from dynsym import report
from dynsym.certify import Verdict
from dynsym.findings import Law
from dynsym.report import _archive
from dynsym.report._mathml import equation_pieces, function_pieces, generator_pieces
from dynsym.report._numbers import rounded, short
from dynsym.report._svg import inline_svg
from dynsym.report._words import law_sentence, symmetry_sentence

FILES = ["analysis.json", "analysis.nc", "report.html"]


def oscillator(count: int = 4, samples: int = 120, noise: float = 0.003) -> list[dy.Trajectory]:
    rng = np.random.default_rng(0)
    t = np.linspace(0, 6, samples)
    out = []
    for k in range(count):
        size, phase = 0.5 + 1.5 * k / count, 1.1 * k
        x = np.c_[size * np.cos(2 * t + phase), -2 * size * np.sin(2 * t + phase)]
        x = x + noise * rng.normal(size=x.shape)
        out.append(dy.Trajectory(t, x, ("x", "v"), ("m", "m/s"), label=f"run <{k}>", time_unit="s"))
    return out


@pytest.fixture(scope="module")
def done() -> dy.Analysis:
    return dy.analyze(oscillator(), dy.AnalysisSettings(dictionary="poly(1)", invariants="poly(2)"))


@pytest.fixture(scope="module")
def page(done: dy.Analysis) -> str:
    return report.html(done, "dynsym analyze 'a & b.csv' --out results")


class Elements(HTMLParser):
    """Tags, attributes, text and whether tags are balanced."""

    VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_page_loads_nothing_from_anywhere(page: str) -> None:
    elements = Elements(page)
    targets = [
        value
        for _, attributes in elements.seen
        for key, value in attributes.items()
        if key in ("src", "href", "xlink:href", "data", "srcset", "poster", "action")
    ]
    assert targets
    assert all(value is not None and value.startswith("#") for value in targets)
    assert not {tag for tag, _ in elements.seen} & {"script", "link", "iframe", "img", "object", "embed"}
    assert not re.search(r"https?:|@import|url\((?!#)", page)


def test_page_is_well_formed_with_unique_ids_and_no_dangling_links(page: str) -> None:
    elements = Elements(page)
    assert elements.open == []
    ids = [a["id"] for _, a in elements.seen if "id" in a]
    assert len(ids) == len(set(ids))
    links = set(re.findall(r'href="#([^"]+)"', page)) | set(re.findall(r"url\(#([^)]+)\)", page))
    assert links <= set(ids)


def test_page_says_what_was_found(page: str, done: dy.Analysis) -> None:
    text = Elements(page).text
    for law in done.laws.findings:
        assert law.expression in text
    for finding in done.symmetries.findings:
        assert finding.generator.expressions()[0] in text
    assert done.symmetries.region.description in text
    assert "tolerance 0.05, error level 0.05" in text
    assert "Along the runs it varies by" in text
    assert done.symmetries.algebra is not None
    assert done.symmetries.algebra.name in text
    assert "dynsym analyze 'a & b.csv' --out results" in text


def test_names_from_the_data_cannot_inject_markup(page: str) -> None:
    assert "run &lt;0&gt;" in page
    assert "run <0>" not in page


def test_figures_have_descriptions_and_follow_the_mode(page: str) -> None:
    figures = [a for tag, a in Elements(page).seen if tag == "svg"]
    assert len(figures) >= 3
    assert all(a["role"] == "img" and a["aria-label"] for a in figures)
    assert "var(--certified)" in page
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def with_runs(model, runs):
    """The model with other runs behind it."""
    source = replace(model.source, runs=runs)
    return replace(model, compressed=replace(model.compressed, source=source))


def test_page_of_many_long_runs_stays_small(done: dy.Analysis) -> None:
    t = np.linspace(0, 500, 10_000)
    rng = np.random.default_rng(1)
    runs = []
    for k in range(100):
        size = 0.1 + 0.02 * k
        x = np.c_[size * np.cos(2 * t), -2 * size * np.sin(2 * t)] + 0.01 * rng.normal(size=(10_000, 2))
        runs.append(dy.Trajectory(t, x, ("x", "v"), label=f"run {k}"))
    many = replace(done, runs=tuple(runs), quality=dy.quality(runs), model=with_runs(done.model, tuple(runs)))
    assert len(report.html(many).encode()) < 3e6


def test_nothing_found_makes_a_page_too() -> None:
    runs = dy.systems.get("van_der_pol").runs(2, 80)
    settings = dy.AnalysisSettings(dictionary="poly(3)", invariants="poly(2)", candidates="rotations")
    page = report.html(dy.analyze(runs, settings))
    assert Elements(page).open == []
    assert "No conserved quantity among" in page


def test_files_are_written_and_replace_earlier_ones(done: dy.Analysis, tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    assert [p.name for p in report.write(done, out)] == FILES
    (out / "analysis.json").write_text("old")
    report.write(done, out)
    assert sorted(p.name for p in out.iterdir()) == FILES
    record = json.loads((out / "analysis.json").read_text(), parse_constant=pytest.fail)
    assert record["schema"] == 1


@pytest.mark.parametrize("broken", ["to_json", "netcdf", "html"])
def test_a_failure_leaves_earlier_files_untouched(
    done: dy.Analysis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    for name in FILES:
        (tmp_path / name).write_text(f"earlier {name}")

    def fail(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    place = {"to_json": (dy.Analysis, "to_json"), "netcdf": (_archive, "_input"), "html": (report, "html")}
    monkeypatch.setattr(*place[broken], fail)
    with pytest.raises(OSError, match="no space left"):
        report.write(done, tmp_path)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {name: f"earlier {name}" for name in FILES}


def test_a_name_taken_by_a_folder_is_refused_before_anything_is_replaced(
    done: dy.Analysis, tmp_path: Path
) -> None:
    (tmp_path / "analysis.json").write_text("earlier")
    (tmp_path / "report.html").mkdir()
    with pytest.raises(dy.DataError, match="is a folder"):
        report.write(done, tmp_path)
    assert (tmp_path / "analysis.json").read_text() == "earlier"


def test_a_file_in_place_of_the_folder_is_refused(done: dy.Analysis, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(dy.DataError, match="cannot write to"):
        report.write(done, tmp_path / "out")


@pytest.fixture(scope="module")
def archive(done: dy.Analysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("archive")
    report.write(done, out)
    return out / "analysis.nc"


def test_archive_holds_what_the_analysis_holds(archive: Path, done: dy.Analysis) -> None:
    with xr.open_dataset(archive) as root:
        assert root.attrs["software"] == "dynsym"
        assert root.attrs["version"] == dy.__version__
        assert json.loads(root.attrs["settings"])["delta"] == 0.05
    with xr.open_dataset(archive, group="model") as model:
        np.testing.assert_array_equal(model.coefficients, done.model.coefficients)
        np.testing.assert_array_equal(model.standard_errors, done.model.standard_errors)
        assert model.state.values.tolist() == ["x", "v"]
    with xr.open_dataset(archive, group="conserved_quantities") as laws:
        assert laws.expression.values.tolist() == [f.expression for f in done.laws.findings]
        np.testing.assert_array_equal(laws.spectrum, done.laws.spectrum.values)
    with xr.open_dataset(archive, group="symmetries") as found:
        assert found.verdict.values.tolist() == [f.verdict.status for f in done.symmetries.findings]
        own = np.concatenate([f.generator.coefficients for f in done.symmetries.findings])
        np.testing.assert_array_equal(found.coefficients, own)
    with xr.open_dataset(archive, group="input") as data:
        assert data.samples.values.sum() == 480


def test_json_has_null_where_a_number_is_missing() -> None:
    text = report.json_text({"a": [np.float64("nan"), math.inf, np.int64(3)], "b": np.array([1.0, np.nan])})
    assert json.loads(text, parse_constant=pytest.fail) == {"a": [None, None, 3], "b": [1.0, None]}


def test_numbers_are_rounded_to_their_error() -> None:
    assert str(rounded(1.23456, 0.0123)) == "1.235 ± 0.012"
    assert str(rounded(0.0, 0.5)) == "0.00 ± 0.50"
    assert str(rounded(float("nan"), 0.1)) == "unknown"
    assert str(rounded(1.5, float("inf"))) == "1.5"
    assert [short(v) for v in (0.0123, 3.4e-7, 0.0, None, float("nan"))] == [
        "0.012",
        "3.4e-7",
        "0",
        "unknown",
        "unknown",
    ]


def test_formulas_are_mathml_in_the_order_of_the_terms() -> None:
    field = dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0.25, -4.1, 0]])
    first, second = ("".join(row) for row in equation_pieces(field))
    assert first.count("<mn>1</mn>") == 0
    assert second.index("<mn>0.25</mn>") < second.index("<mn>4.1</mn>")
    assert first.startswith("<math>")
    turn = dy.generators.rotations(2, names=("x", "y"))
    text = "".join(generator_pieces(turn))
    assert text.count("<mfrac>") == 2
    assert "\N{MINUS SIGN}" in text


def test_scaling_with_time_shows_the_time_part() -> None:
    scaling = dy.generators.with_time_scaling(dy.generators.scalings(1, ("x",))).combine([[2 / 3], [1.0]])
    text = "".join(generator_pieces(scaling))
    assert "<mfrac><mn>2</mn><mn>3</mn></mfrac>" in text
    assert text.count("<mi>t</mi>") == 2


def test_functions_without_formulas_are_shown_as_text() -> None:
    h = dy.ScalarFunction(dy.Monomials(2, 2, names=("x", "v")), [0, 0, 0, 1, 0, 0.25])
    assert len(function_pieces(h)) == 2


def test_words_never_say_more_than_the_verdict(done: dy.Analysis) -> None:
    law = done.laws.findings[0]
    said = {}
    for status in ("certified", "refuted", "undecided"):
        changed = Law(law.function, Verdict(status, 0.1, 0.01, 0.2, "the reason"), 0.3, 0.0)
        said[status] = law_sentence(changed, done.laws)
    assert said["certified"].startswith("is conserved: the data rule out a relative defect above 0.2")
    assert said["refuted"].startswith("is not conserved: the reason")
    assert said["undecided"].startswith("may or may not be conserved, the data cannot tell: the reason")
    finding = replace(done.symmetries.findings[0], verdict=Verdict("undecided", 0.1, 0.0, 0.2, "why"))
    assert symmetry_sentence(finding, done.symmetries).startswith("may or may not be a symmetry")


def test_svg_keeps_no_namespace_and_prefixes_ids() -> None:
    figure = Figure()
    figure.subplots().plot([0, 1], [0, 1], "o")
    text = inline_svg(figure, "one", 'a "quoted" description')
    assert "xmlns" not in text
    assert "http" not in text
    assert all(i.startswith("one-") for i in re.findall(r'\sid="([^"]+)"', text))
    assert "&quot;quoted&quot;" in text


def test_why_a_symmetry_says_nothing_more() -> None:
    """The dynamics, and the dynamics times a law, are told apart in words."""
    spring = dy.VectorField(dy.Monomials(2, 1, names=("x", "v")), [[0, 0, 1], [0, -1, 0]])
    energy = dy.ScalarFunction(dy.Monomials(2, 2, names=("x", "v")), [0, 0, 0, 1, 0, 1])
    found = dy.symmetries(spring, dy.generators.polynomial(2, 3, names=("x", "v")), laws=[energy])
    words = {f.label: symmetry_sentence(f, found) for f in found.findings}
    assert "which every autonomous system has" in words["the dynamics itself"]
    assert "the dynamics times h1, h conserved" in words["the dynamics times h1"]
    assert sum("which every" in text for text in words.values()) == 2
