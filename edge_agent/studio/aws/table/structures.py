"""Structures of the API, each with its members: `NAME: SHAPE`, with a * in front where it has to be there."""

from __future__ import annotations

STRUCTURES: dict[str, str] = {
    "Anomaly": "Name: AnomalyName; PixelAnomaly: PixelAnomaly",
    "DatasetDescription": (
        "ProjectName: ProjectName; DatasetType: DatasetType; CreationTimestamp: DateTime; "
        "LastUpdatedTimestamp: DateTime; Status: DatasetStatus; StatusMessage: DatasetStatusMessage; "
        "ImageStats: DatasetImageStats"
    ),
    "DatasetGroundTruthManifest": "S3Object: InputS3Object",
    "DatasetImageStats": "Total: Integer; Labeled: Integer; Normal: Integer; Anomaly: Integer",
    "DatasetMetadata": (
        "DatasetType: DatasetType; CreationTimestamp: DateTime; Status: DatasetStatus; "
        "StatusMessage: DatasetStatusMessage"
    ),
    "DatasetSource": "GroundTruthManifest: DatasetGroundTruthManifest",
    "DetectAnomalyResult": (
        "Source: ImageSource; IsAnomalous: Boolean; Confidence: Float; Anomalies: AnomalyList; AnomalyMask: AnomalyMask"
    ),
    "GreengrassConfiguration": (
        "CompilerOptions: CompilerOptions; TargetDevice: TargetDevice; TargetPlatform: TargetPlatform; "
        "*S3OutputLocation: S3Location; *ComponentName: ComponentName; ComponentVersion: ComponentVersion; "
        "ComponentDescription: ComponentDescription; Tags: TagList"
    ),
    "GreengrassOutputDetails": (
        "ComponentVersionArn: ComponentVersionArn; ComponentName: ComponentName; ComponentVersion: ComponentVersion"
    ),
    "ImageSource": "Type: ImageSourceType",
    "InputS3Object": "*Bucket: S3BucketName; *Key: S3ObjectKey; VersionId: S3ObjectVersion",
    "ModelDescription": (
        "ModelVersion: ModelVersion; ModelArn: ModelArn; CreationTimestamp: DateTime; "
        "Description: ModelDescriptionMessage; Status: ModelStatus; StatusMessage: ModelStatusMessage; "
        "Performance: ModelPerformance; OutputConfig: OutputConfig; EvaluationManifest: OutputS3Object; "
        "EvaluationResult: OutputS3Object; EvaluationEndTimestamp: DateTime; KmsKeyId: KmsKeyId; "
        "MinInferenceUnits: InferenceUnits; MaxInferenceUnits: InferenceUnits"
    ),
    "ModelMetadata": (
        "CreationTimestamp: DateTime; ModelVersion: ModelVersion; ModelArn: ModelArn; "
        "Description: ModelDescriptionMessage; Status: ModelStatus; StatusMessage: ModelStatusMessage; "
        "Performance: ModelPerformance"
    ),
    "ModelPackagingConfiguration": "*Greengrass: GreengrassConfiguration",
    "ModelPackagingDescription": (
        "JobName: ModelPackagingJobName; ProjectName: ProjectName; ModelVersion: ModelVersion; "
        "ModelPackagingConfiguration: ModelPackagingConfiguration; "
        "ModelPackagingJobDescription: ModelPackagingJobDescription; "
        "ModelPackagingMethod: ModelPackagingMethod; "
        "ModelPackagingOutputDetails: ModelPackagingOutputDetails; Status: ModelPackagingJobStatus; "
        "StatusMessage: ModelPackagingStatusMessage; CreationTimestamp: DateTime; "
        "LastUpdatedTimestamp: DateTime"
    ),
    "ModelPackagingJobMetadata": (
        "JobName: ModelPackagingJobName; ProjectName: ProjectName; ModelVersion: ModelVersion; "
        "ModelPackagingJobDescription: ModelPackagingJobDescription; "
        "ModelPackagingMethod: ModelPackagingMethod; Status: ModelPackagingJobStatus; "
        "StatusMessage: ModelPackagingStatusMessage; CreationTimestamp: DateTime; "
        "LastUpdatedTimestamp: DateTime"
    ),
    "ModelPackagingOutputDetails": "Greengrass: GreengrassOutputDetails",
    "ModelPerformance": "F1Score: Float; Recall: Float; Precision: Float",
    "OutputConfig": "*S3Location: S3Location",
    "OutputS3Object": "*Bucket: S3BucketName; *Key: S3ObjectKey",
    "PixelAnomaly": "TotalPercentageArea: Float; Color: Color",
    "ProjectDescription": (
        "ProjectArn: ProjectArn; ProjectName: ProjectName; CreationTimestamp: DateTime; Datasets: DatasetMetadataList"
    ),
    "ProjectMetadata": "ProjectArn: ProjectArn; ProjectName: ProjectName; CreationTimestamp: DateTime",
    "S3Location": "*Bucket: S3BucketName; Prefix: S3KeyPrefix",
    "Tag": "*Key: TagKey; *Value: TagValue",
    "TargetPlatform": "*Os: TargetPlatformOs; *Arch: TargetPlatformArch; Accelerator: TargetPlatformAccelerator",
}
