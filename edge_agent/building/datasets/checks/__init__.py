"""What has to be true of pictures before a model is made of them, after the guide's chapters on datasets and quotas."""
