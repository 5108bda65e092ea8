"""Where conversations are kept: tables, queries, migrations. SQLite and PostgreSQL, through the same SQL."""
