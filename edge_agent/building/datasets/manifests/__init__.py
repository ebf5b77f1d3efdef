"""SageMaker Ground Truth manifests, as every kind of labelling job writes them: reading and writing."""
