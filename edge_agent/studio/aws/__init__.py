"""The API of the cloud service that this agent succeeds, on a machine of the user's own."""
