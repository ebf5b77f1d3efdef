"""The library for S3, which is an extra."""

from __future__ import annotations

from typing import Any

from edge_agent.errors import DatasetError, EdgeAgentError


def require_boto3(refused: type[EdgeAgentError] = DatasetError) -> Any:
    """Return the module boto3; an error of the kind `refused` where it is not installed."""
    try:
        import boto3
    except ImportError:
        raise refused("pictures in S3 need the package 'boto3'; install edge-agent with its extra [s3]") from None
    return boto3
