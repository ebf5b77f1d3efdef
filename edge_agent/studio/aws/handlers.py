"""Which function answers which operation of the table."""

from __future__ import annotations

from collections.abc import Callable

from edge_agent.studio.aws.call import Answer, Call
from edge_agent.studio.aws.operations import datasets, hosting, models, packaging, projects, tags

HANDLERS: dict[str, Callable[[Call], Answer]] = {
    "CreateDataset": datasets.create_dataset,
    "CreateModel": models.create_model,
    "CreateProject": projects.create_project,
    "DeleteDataset": datasets.delete_dataset,
    "DeleteModel": models.delete_model,
    "DeleteProject": projects.delete_project,
    "DescribeDataset": datasets.describe_dataset,
    "DescribeModel": models.describe_model,
    "DescribeModelPackagingJob": packaging.describe_model_packaging_job,
    "DescribeProject": projects.describe_project,
    "DetectAnomalies": hosting.detect_anomalies,
    "ListDatasetEntries": datasets.list_dataset_entries,
    "ListModelPackagingJobs": packaging.list_model_packaging_jobs,
    "ListModels": models.list_models,
    "ListProjects": projects.list_projects,
    "ListTagsForResource": tags.list_tags_for_resource,
    "StartModel": hosting.start_model,
    "StartModelPackagingJob": packaging.start_model_packaging_job,
    "StopModel": hosting.stop_model,
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
    "UpdateDatasetEntries": datasets.update_dataset_entries,
}
#: a token of these is of the state that they lead to, and they see to it: a script may send one and the same for ever
OWN_TOKENS = frozenset(("StartModel", "StopModel"))
