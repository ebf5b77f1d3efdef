"""The guide's evaluation result and evaluation manifest, with the keys that its users' programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edge_agent.building.datasets.dataset import ANOMALY, NORMAL, Dataset
from edge_agent.building.datasets.manifests.writing import ground_truth_lines, timestamp
from edge_agent.building.evaluation.circumstances import Circumstances
from edge_agent.building.evaluation.inspection import Inspections
from edge_agent.building.evaluation.metrics import (
    Classification,
    Confusion,
    Intervals,
    Pixels,
    classification_metrics,
    confusion,
    intervals,
    is_anomalous,
    pixel_metrics,
)


class Evaluation(NamedTuple):
    """All figures of one component on one dataset."""

    inspections: Inspections
    classification: Classification
    intervals: Intervals
    confusion: Confusion
    pixels: tuple[Pixels, ...]
    circumstances: Circumstances = Circumstances()

    @property
    def unmarked(self) -> int:
        """How many pictures are called anomalous on which the mask marks nothing."""
        return sum(item.verdict.is_unmarked for item in self.inspections.items)


def evaluate(inspections: Inspections) -> Evaluation:
    """Calculate the figures."""
    manifest = inspections.component.manifest
    scores = np.array([item.verdict.score for item in inspections.items])
    anomalous = np.array([item.example.label == ANOMALY for item in inspections.items])
    measured = [item.pixels for item in inspections.items if item.pixels is not None]
    if not any(count.true_positives + count.false_negatives for pixels in measured for count in pixels.values()):
        measured = []  # nobody marked anything, so there is nothing to compare the masks with
    return Evaluation(
        inspections,
        classification_metrics(scores, anomalous, manifest.threshold),
        intervals(scores, anomalous, manifest.threshold),
        confusion(is_anomalous(scores, manifest.threshold), anomalous),
        tuple(pixel_metrics(label.name, [pixels[label.name] for pixels in measured]) for label in manifest.labels[1:])
        if measured
        else (),
    )


def evaluation_result(evaluation: Evaluation) -> dict[str, Any]:
    """Write the guide's evaluation result; what is ours alone stands under EdgeAgent."""
    component = evaluation.inspections.component
    figures, counts = evaluation.classification, evaluation.confusion
    metrics: dict[str, Any] = {
        "ROCAUC": figures.roc_auc,
        "AveragePrecision": figures.average_precision,
        "Precision": figures.precision,
        "Recall": figures.recall,
        "F1Score": figures.f1,
    }
    if component.manifest.task == "segmentation":
        metrics["PixelAnomalyClassMetrics"] = [
            {
                "Precision": pixels.precision,
                "Recall": pixels.recall,
                "F1Score": pixels.f1,
                "AIOU": pixels.average_iou,
                "ClassName": pixels.label,
            }
            for pixels in evaluation.pixels
        ]
    trained = component.manifest.training.get("dataset")
    counts_of_training = [trained.get(label, 0) for label in (NORMAL, ANOMALY)] if isinstance(trained, dict) else []
    return {
        "Version": 1,
        "EvaluationDetails": {
            "ModelArn": component.manifest.model_arn,
            "EvaluationEndTimestamp": timestamp(),
            "NumberOfTrainingImages": sum(count for count in counts_of_training if isinstance(count, int)),
            "NumberOfTestingImages": len(evaluation.inspections.items),
        },
        "AggregatedEvaluationResults": {"Metrics": metrics},
        "EdgeAgent": {
            "Component": component.manifest.name,
            "ComponentVersion": component.manifest.version,
            "Threshold": component.manifest.threshold,
            "TruePositives": counts.true_positives,
            "FalsePositives": counts.false_positives,
            "TrueNegatives": counts.true_negatives,
            "FalseNegatives": counts.false_negatives,
            "Intervals95": evaluation.intervals._asdict(),
            "PixelIOU": {pixels.label: pixels.iou for pixels in evaluation.pixels},
            "Unmarked": evaluation.unmarked,
            "LeftOut": evaluation.circumstances.left_out,
            "Notes": list(evaluation.circumstances.sentences),
            "MillisecondsPerPicture": round(evaluation.inspections.seconds * 1000, 2),
        },
    }


def write_results(evaluation: Evaluation, dataset: Dataset, folder: Path) -> tuple[Path, Path]:
    """Write EvaluationResult-<name>.json and EvaluationManifest-<name>.json; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    name = evaluation.inspections.component.manifest.name
    result, manifest = folder / f"EvaluationResult-{name}.json", folder / f"EvaluationManifest-{name}.json"
    result.write_text(json.dumps(evaluation_result(evaluation), indent=2) + "\n", encoding="utf-8")
    manifest.write_text(
        "".join(json.dumps(line) + "\n" for line in _lines(evaluation, dataset, folder)), encoding="utf-8"
    )
    return result, manifest


def _lines(evaluation: Evaluation, dataset: Dataset, folder: Path) -> list[dict[str, Any]]:
    component, now = evaluation.inspections.component.manifest, timestamp()
    truth = ground_truth_lines(dataset, folder, kept=True)
    return [
        {
            **line,
            "anomaly-label-detected": int(item.verdict.is_anomalous),
            "anomaly-label-detected-metadata": {
                "class-name": ANOMALY if item.verdict.is_anomalous else NORMAL,
                "confidence": round(item.verdict.confidence, 6),
                "type": "groundtruth/image-classification",
                "human-annotated": "no",
                "creation-date": now,
                "job-name": "evaluation-job/anomaly-detection",
                "model-arn": component.model_arn,
                "project-name": component.name,
                "model-version": component.version,
            },
        }
        for line, item in zip(truth, evaluation.inspections.items, strict=True)
    ]
