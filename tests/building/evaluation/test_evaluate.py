"""`edge-agent evaluate` on the echo model: result and manifest as the guide has them, and the page in a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support import commands
from tests.support.daemon import wait_until
from tests.support.fakes import write_echo

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return commands.run("evaluate", *arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The echo model, whose score is the brightness and whose mask marks what is bright, and six pictures."""
    root = tmp_path_factory.mktemp("evaluation")
    write_echo(root / "models", training={"dataset": {"normal": 20, "anomaly": 10}}, model_arn="arn:of:it")
    for label, values in (("normal", (20, 80, 200)), ("anomaly", (60, 180, 240))):
        (root / "data" / label).mkdir(parents=True)
        for value in values:
            Image.new("RGB", (64, 64), (value,) * 3).save(root / "data" / label / f"{value}.png")
    (root / "data" / "masks").mkdir()
    for value in (180, 240):
        mask = np.full((64, 64, 3), 255, np.uint8)
        mask[: 48 if value == 180 else 64] = (0xE0, 0x20, 0x20)
        Image.fromarray(mask).save(root / "data" / "masks" / f"{value}.png")
    (root / "data" / "masks" / "labels.json").write_text('{"bright": "#e02020"}')
    done = run(root / "models/echo/1.0.0", root / "data", "-o", root / "out")
    assert done.returncode == 0, done.stderr
    (root / "printed.txt").write_text(done.stdout)
    return root


def test_the_table(folder: Path) -> None:
    lines = [line.split() for line in (folder / "printed.txt").read_text().splitlines()]
    assert ["F1", "0.667"] in [line[:2] for line in lines]
    counts = "2 anomalous pictures found, 1 missed; 2 normal pictures passed, 1 false alarms"
    assert " ".join(lines[6]) == counts
    assert lines[9][:2] == ["bright", "2"]


def test_the_result_has_the_guides_keys(folder: Path) -> None:
    result = json.loads((folder / "out" / "EvaluationResult-echo.json").read_text())
    details = result["EvaluationDetails"]
    assert details["ModelArn"] == "arn:of:it"
    assert (details["NumberOfTrainingImages"], details["NumberOfTestingImages"]) == (30, 6)
    metrics = result["AggregatedEvaluationResults"]["Metrics"]
    assert metrics["Precision"] == metrics["Recall"] == pytest.approx(2 / 3)
    assert metrics["F1Score"] == pytest.approx(2 / 3)
    assert metrics["ROCAUC"] == pytest.approx(6 / 9)
    assert 0 < metrics["AveragePrecision"] < 1
    (pixels,) = metrics["PixelAnomalyClassMetrics"]
    assert pixels.keys() == {"Precision", "Recall", "F1Score", "AIOU", "ClassName"}
    assert pixels["ClassName"] == "bright"
    assert pixels["AIOU"] == pytest.approx((48 / 64 + 1) / 2)
    assert pixels["Recall"] == 1.0
    assert pixels["Precision"] == pytest.approx((48 + 64) / (64 * 3)), "the normal picture of 200 is marked, too"
    printed = run(folder / "models/echo/1.0.0", folder / "data", "-o", folder / "again", "--json")
    assert json.loads(printed.stdout)["AggregatedEvaluationResults"] == result["AggregatedEvaluationResults"]


def test_the_manifest_has_a_line_for_each_picture(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "out" / "EvaluationManifest-echo.json").read_text().splitlines()]
    assert len(lines) == 6
    by_name = {Path(line["source-ref"]).parts[-2:]: line for line in lines}
    wrong = by_name["normal", "200.png"]
    assert (wrong["anomaly-label"], wrong["anomaly-label-detected"]) == (0, 1)
    assert wrong["anomaly-label-metadata"]["class-name"] == "normal"
    detected = wrong["anomaly-label-detected-metadata"]
    assert detected["class-name"] == "anomaly"
    assert detected["confidence"] == pytest.approx(200 / 255, abs=0.01)
    assert detected["type"] == "groundtruth/image-classification"
    assert (detected["human-annotated"], detected["model-arn"]) == ("no", "arn:of:it")
    assert (detected["project-name"], detected["model-version"]) == ("echo", "1.0.0")
    assert "anomaly-mask-ref" in by_name["anomaly", "240.png"]


def test_without_true_masks_there_are_no_figures_of_masks(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "data", tmp_path / "data", ignore=shutil.ignore_patterns("masks"))
    done = run(folder / "models/echo/1.0.0", tmp_path / "data", "-o", tmp_path / "out", "--json")
    assert json.loads(done.stdout)["AggregatedEvaluationResults"]["Metrics"]["PixelAnomalyClassMetrics"] == []


def test_pictures_that_are_called_anomalous_and_have_no_mark_are_counted(folder: Path, tmp_path: Path) -> None:
    """With this threshold five are; on those of 60 and 80 nothing is bright."""
    write_echo(tmp_path / "models", threshold=0.2)
    component = tmp_path / "models/echo/1.0.0"
    result = json.loads(run(component, folder / "data", "-o", tmp_path / "out", "--json").stdout)["EdgeAgent"]
    assert result["Unmarked"] == 2
    assert result["Notes"] == [
        "on 2 of the 5 pictures that are called anomalous nothing is marked: the verdict does not come from the mask"
    ]
    before = json.loads((folder / "out" / "EvaluationResult-echo.json").read_text())["EdgeAgent"]
    assert (before["Unmarked"], before["Notes"]) == (0, [])


def test_what_can_not_be_measured_is_said_in_one_line(folder: Path, tmp_path: Path) -> None:
    model, data = folder / "models/echo/1.0.0", folder / "data"
    (tmp_path / "odd" / "normal").mkdir(parents=True)
    Image.new("RGB", (65, 64)).save(tmp_path / "odd" / "normal" / "a.png")
    cases = [
        ((folder, data), "is not a model component: manifest.json is missing"),
        ((model, tmp_path), "no folder 'normal' or 'anomaly'"),
        ((model, tmp_path / "odd"), "a.png is 65x64, model 'echo' was trained on 64x64"),
    ]
    for arguments, message in cases:
        done = run(*arguments, "-o", tmp_path / "out")
        *notes, refused = done.stderr.splitlines()
        assert (done.returncode, done.stdout) == (1, "")
        assert all(line.startswith("note: ") for line in notes)
        assert message in refused
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if BROWSER is None or DRIVER is None:
        pytest.skip("chromium and chromium-driver are not installed")
    from tests.support.browser import browser as start

    driver = start()
    yield driver
    driver.quit()


@pytest.mark.long
def test_the_page_in_a_browser(folder: Path, browser: Any) -> None:
    from selenium.webdriver.common.by import By

    browser.get((folder / "out" / "evaluation.html").as_uri())

    def figure(name: str) -> str:
        return str(browser.find_element(By.CSS_SELECTOR, f'[data-figure="{name}"]').text)

    def verdicts() -> list[int]:
        return [int(cell.text.split()[0]) for cell in browser.find_elements(By.CSS_SELECTOR, "#confusion td")]

    def tags() -> list[str]:
        return [tag.text for tag in browser.find_elements(By.CSS_SELECTOR, "#pictures .tag")]

    def move(to: float) -> None:
        browser.execute_script(
            "const slider = document.getElementById('threshold'); slider.value = arguments[0];"
            "slider.dispatchEvent(new Event('input'))",
            to,
        )

    assert browser.title == "Evaluation of echo 1.0.0"
    assert figure("F1") == "0.667"
    assert verdicts() == [2, 1, 1, 2]
    assert [tag.split(":")[0] for tag in tags()] == ["wrong"] * 2 + ["right"] * 4, "wrong ones first"
    line = browser.find_element(By.ID, "cut").get_attribute("x1")

    move(0.85)
    assert (figure("Precision"), figure("Recall")) == ("1.000", "0.333")
    assert verdicts() == [3, 0, 2, 1]
    assert float(browser.find_element(By.ID, "cut").get_attribute("x1")) > float(line)
    said = 'to keep it, set "threshold": 0.85 in manifest.json; what is marked does not change with it'
    assert browser.find_element(By.ID, "advice").text == said
    move(0.2)
    bare = [card.text for card in browser.find_elements(By.CSS_SELECTOR, "figcaption") if "nothing marked" in card.text]
    assert sorted(name for text in bare for name in ("60.png", "80.png") if name in text) == ["60.png", "80.png"]
    assert len(bare) == 2
    browser.find_element(By.ID, "reset").click()
    assert verdicts() == [2, 1, 1, 2]

    def shown(kind: str) -> list[bool]:
        return [img.is_displayed() for img in browser.find_elements(By.CSS_SELECTOR, f"img.{kind}")]

    wait_until(lambda: all(shown("predicted")), "each is drawn")
    assert not any(shown("truth"))
    browser.find_element(By.ID, "truth").click()
    wait_until(lambda: len(shown("truth")) == 2 and all(shown("truth")), "both are drawn")

    browser.find_element(By.CSS_SELECTOR, '#which option[value="wrong"]').click()
    assert len(tags()) == 2
    sources = [img.get_attribute("src") for img in browser.find_elements(By.TAG_NAME, "img")]
    assert all(source.startswith("data:image/") for source in sources), "nothing is loaded from elsewhere"
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert severe == []
