"""The event log of a run: appended once, encoded once, read by any number of readers."""
