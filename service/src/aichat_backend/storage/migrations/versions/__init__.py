"""One file for each change of the schema. New ones are added to `storage.schema.REVISIONS`."""
