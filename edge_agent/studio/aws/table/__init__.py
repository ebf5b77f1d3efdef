"""The service's API as data: routes, shapes, limits, patterns, errors. Server and client's model come from it."""
