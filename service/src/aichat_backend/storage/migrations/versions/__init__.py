"""One file for each change of the schema. New ones are added to `storage.schema.REVISIONS`.

Each declares with `usable_from` which programs can work with the schema that it makes: those that know that revision.
Servers are upgraded one after the other and rolled back when need be, and then an older program works on the newer
schema, also at the same time as a newer one. So:

- A change that only adds leaves `usable_from` as it was in the migration before: a table, an index, a column that may
  be empty or has a default. The newer program must make do with rows that an older one writes meanwhile.
- Whatever an older program reads or writes and does not find as it was (a column that is gone, renamed or must be
  given, rows that mean something else) breaks it: `usable_from` is then the first revision whose program does without.

What is to go is therefore best taken in two versions: one that does not use it any more, and a later one that removes
it and is usable from the first one's revision on.
"""
