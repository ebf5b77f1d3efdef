"""A small S3 over folders, for devices that reach no other: what scripts of the service need of it."""
