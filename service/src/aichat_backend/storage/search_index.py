"""The index of words: FTS5 on SQLite, a text search vector with GIN on PostgreSQL.

Triggers keep SQLite's in step with the rows, whoever removes them. What is removed from it stays in its older segments
until these are merged; how much that is, `search_removals` counts.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect, Text, event
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import DDL
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

from aichat_backend.storage.tables import search_documents

_VECTOR = "array_to_tsvector(string_to_array(search_documents.words, ' '))"

_GIN = """
    CREATE INDEX ix_search_documents_vector ON search_documents USING gin
    (array_to_tsvector(string_to_array(words, ' ')))
"""
_FTS5 = (
    """
    CREATE VIRTUAL TABLE search_index USING fts5(
        words, content='search_documents', content_rowid='pk', detail=none, columnsize=0,
        tokenize="ascii tokenchars ':'"
    )
    """,
    "CREATE TABLE search_removals (number INTEGER NOT NULL)",
    "INSERT INTO search_removals (number) VALUES (0)",
    """
    CREATE TRIGGER search_documents_added AFTER INSERT ON search_documents BEGIN
        INSERT INTO search_index (rowid, words) VALUES (new.pk, new.words);
    END
    """,
    """
    CREATE TRIGGER search_documents_removed AFTER DELETE ON search_documents BEGIN
        INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.pk, old.words);
        UPDATE search_removals SET number = number + 1;
    END
    """,
    """
    CREATE TRIGGER search_documents_changed AFTER UPDATE OF words ON search_documents BEGIN
        INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.pk, old.words);
        INSERT INTO search_index (rowid, words) VALUES (new.pk, new.words);
        UPDATE search_removals SET number = number + 1;
    END
    """,
)

for _dialect, _statements in {"sqlite": _FTS5, "postgresql": (_GIN,)}.items():
    for _statement in _statements:
        _ddl = DDL(_statement).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]
        event.listen(search_documents, "after_create", _ddl)


class AllOf(TypeDecorator[tuple[str, ...]]):
    """Words as a database wants to be asked for documents that have, of each, one that begins with it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:
        """To the database. Words consist of letters, digits and marks: nothing in them needs an escape."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return " AND ".join(f'"{word}" *' for word in value)
        return " & ".join(f"'{word}':*" for word in value)


class has_words(FunctionElement[bool]):  # noqa: N801 - as functions of SQL are called
    """Whether a row of `search_documents` has the words of an `AllOf` parameter."""

    # Without the type Boolean, of which SQLite would be asked whether it equals 1, and see no index for that.
    name = "has_words"
    inherit_cache = True


@compiles(has_words, "sqlite")
def _on_sqlite(element: has_words, compiler: SQLCompiler, **options: Any) -> str:
    words = compiler.process(element.clauses, **options)
    return f"search_documents.pk IN (SELECT rowid FROM search_index WHERE search_index MATCH {words})"  # noqa: S608 - a bound parameter


@compiles(has_words, "postgresql")
def _on_postgresql(element: has_words, compiler: SQLCompiler, **options: Any) -> str:
    words = compiler.process(element.clauses, **options)
    return f"{_VECTOR} @@ CAST({words} AS tsquery)"
