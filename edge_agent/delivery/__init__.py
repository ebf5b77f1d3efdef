"""From a model component to a Greengrass component, as the cloud service's model packaging jobs made it."""
