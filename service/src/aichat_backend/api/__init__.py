"""The HTTP edge: identity, validation, one file a resource, event streams, errors as JSON."""
