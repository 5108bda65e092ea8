"""Where conversations are kept: tables, queries, migrations. SQLite today, through SQL that PostgreSQL runs as well."""
