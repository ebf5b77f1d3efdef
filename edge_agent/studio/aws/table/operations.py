"""The operations, each with its route, what it asks and answers, and what an access key needs to be for."""

from __future__ import annotations

from edge_agent.studio.aws.table.shape import Operation

VERSION = "2020-11-20"

OPERATIONS: tuple[Operation, ...] = (
    Operation("CreateDataset", "POST", "/projects/{projectName}/datasets", 202, "administer",
        "*ProjectName: ProjectName @uri projectName; *DatasetType: DatasetType; "
        "DatasetSource: DatasetSource; ClientToken: ClientToken @header X-Amzn-Client-Token",
        "DatasetMetadata: DatasetMetadata", quota=True),
    Operation("CreateModel", "POST", "/projects/{projectName}/models", 202, "administer",
        "*ProjectName: ProjectName @uri projectName; Description: ModelDescriptionMessage; "
        "*OutputConfig: OutputConfig; KmsKeyId: KmsKeyId; Tags: TagList; "
        "ClientToken: ClientToken @header X-Amzn-Client-Token",
        "ModelMetadata: ModelMetadata", quota=True),
    Operation("CreateProject", "POST", "/projects", 200, "administer",
        "*ProjectName: ProjectName; ClientToken: ClientToken @header X-Amzn-Client-Token",
        "ProjectMetadata: ProjectMetadata", quota=True),
    Operation("DeleteDataset", "DELETE", "/projects/{projectName}/datasets/{datasetType}", 202, "administer",
        "*ProjectName: ProjectName @uri projectName; *DatasetType: DatasetType @uri datasetType; "
        "ClientToken: ClientToken @header X-Amzn-Client-Token",
        ""),
    Operation("DeleteModel", "DELETE", "/projects/{projectName}/models/{modelVersion}", 202, "administer",
        "*ProjectName: ProjectName @uri projectName; *ModelVersion: ModelVersionNoLatest @uri modelVersion; "
        "ClientToken: ClientToken @header X-Amzn-Client-Token",
        "ModelArn: ModelArn"),
    Operation("DeleteProject", "DELETE", "/projects/{projectName}", 200, "administer",
        "*ProjectName: ProjectName @uri projectName; ClientToken: ClientToken @header X-Amzn-Client-Token",
        "ProjectArn: ProjectArn"),
    Operation("DescribeDataset", "GET", "/projects/{projectName}/datasets/{datasetType}", 200, "read",
        "*ProjectName: ProjectName @uri projectName; *DatasetType: DatasetType @uri datasetType",
        "DatasetDescription: DatasetDescription"),
    Operation("DescribeModel", "GET", "/projects/{projectName}/models/{modelVersion}", 200, "read",
        "*ProjectName: ProjectName @uri projectName; *ModelVersion: ModelVersion @uri modelVersion",
        "ModelDescription: ModelDescription"),
    Operation("DescribeModelPackagingJob", "GET", "/projects/{projectName}/modelpackagingjobs/{jobName}", 200, "read",
        "*ProjectName: ProjectName @uri projectName; *JobName: ModelPackagingJobName @uri jobName",
        "ModelPackagingDescription: ModelPackagingDescription", conflict=False),
    Operation("DescribeProject", "GET", "/projects/{projectName}", 200, "read",
        "*ProjectName: ProjectName @uri projectName",
        "ProjectDescription: ProjectDescription"),
    Operation("DetectAnomalies", "POST", "/projects/{projectName}/models/{modelVersion}/detect", 200, "use",
        "*ProjectName: ProjectName @uri projectName; *ModelVersion: ModelVersion @uri modelVersion; "
        "*Body: Stream @payload -; *ContentType: ContentType @header Content-Type",
        "DetectAnomalyResult: DetectAnomalyResult"),
    Operation("ListDatasetEntries", "GET", "/projects/{projectName}/datasets/{datasetType}/entries", 200, "read",
        "*ProjectName: ProjectName @uri projectName; *DatasetType: DatasetType @uri datasetType; "
        "Labeled: IsLabeled @query labeled; AnomalyClass: AnomalyClassFilter @query anomalyClass; "
        "BeforeCreationDate: DateTime @query createdBefore; AfterCreationDate: DateTime @query createdAfter; "
        "NextToken: PaginationToken @query nextToken; MaxResults: PageSize @query maxResults; "
        "SourceRefContains: QueryString @query sourceRefContains",
        "DatasetEntries: DatasetEntryList; NextToken: PaginationToken", page="DatasetEntries"),
    Operation("ListModelPackagingJobs", "GET", "/projects/{projectName}/modelpackagingjobs", 200, "read",
        "*ProjectName: ProjectName @uri projectName; NextToken: PaginationToken @query nextToken; "
        "MaxResults: PageSize @query maxResults",
        "ModelPackagingJobs: ModelPackagingJobsList; NextToken: PaginationToken",
       conflict=False, page="ModelPackagingJobs"),
    Operation("ListModels", "GET", "/projects/{projectName}/models", 200, "read",
        "*ProjectName: ProjectName @uri projectName; NextToken: PaginationToken @query nextToken; "
        "MaxResults: PageSize @query maxResults",
        "Models: ModelMetadataList; NextToken: PaginationToken", page="Models"),
    Operation("ListProjects", "GET", "/projects", 200, "read",
        "NextToken: PaginationToken @query nextToken; MaxResults: PageSize @query maxResults",
        "Projects: ProjectMetadataList; NextToken: PaginationToken", page="Projects"),
    Operation("ListTagsForResource", "GET", "/tags/{resourceArn}", 200, "read",
        "*ResourceArn: TagArn @uri resourceArn",
        "Tags: TagList"),
    Operation("StartModel", "POST", "/projects/{projectName}/models/{modelVersion}/start", 202, "use",
        "*ProjectName: ProjectName @uri projectName; *ModelVersion: ModelVersion @uri modelVersion; "
        "*MinInferenceUnits: InferenceUnits; MaxInferenceUnits: InferenceUnits; "
        "ClientToken: ClientToken @header X-Amzn-Client-Token",
        "Status: ModelHostingStatus", quota=True),
    Operation("StartModelPackagingJob", "POST", "/projects/{projectName}/modelpackagingjobs", 200, "administer",
        "*ProjectName: ProjectName @uri projectName; *ModelVersion: ModelVersion; "
        "JobName: ModelPackagingJobName; *Configuration: ModelPackagingConfiguration; "
        "Description: ModelPackagingJobDescription; ClientToken: ClientToken @header X-Amzn-Client-Token",
        "JobName: ModelPackagingJobName", quota=True),
    Operation("StopModel", "POST", "/projects/{projectName}/models/{modelVersion}/stop", 202, "use",
        "*ProjectName: ProjectName @uri projectName; *ModelVersion: ModelVersion @uri modelVersion; "
        "ClientToken: ClientToken @header X-Amzn-Client-Token",
        "Status: ModelHostingStatus"),
    Operation("TagResource", "POST", "/tags/{resourceArn}", 200, "administer",
        "*ResourceArn: TagArn @uri resourceArn; *Tags: TagList",
        "", quota=True),
    Operation("UntagResource", "DELETE", "/tags/{resourceArn}", 200, "administer",
        "*ResourceArn: TagArn @uri resourceArn; *TagKeys: TagKeyList @query tagKeys",
        ""),
    Operation("UpdateDatasetEntries", "PATCH", "/projects/{projectName}/datasets/{datasetType}/entries", 202,
        "administer",
        "*ProjectName: ProjectName @uri projectName; *DatasetType: DatasetType @uri datasetType; "
        "*Changes: DatasetChanges; ClientToken: ClientToken @header X-Amzn-Client-Token",
        "Status: DatasetStatus"),
)  # fmt: skip
