"""Brings the database up to date: `python3 -m pantry.migrate`.

Runs the files of db/migrations that have not run yet, in order of their names, each in a transaction of its own.
"""

import os
from pathlib import Path

from pantry.server import store_from

MIGRATIONS = Path(__file__).parent.parent / "db" / "migrations"


def pending(done, files):
    """The files that have not run yet, in order. Raises ValueError where a name that has run is gone."""
    names = {file.name for file in files}
    lost = sorted(set(done) - names)
    if lost:
        raise ValueError(f"the database has migrations that are not here: {', '.join(lost)}")
    return sorted((file for file in files if file.name not in done), key=lambda file: file.name)


def migrate(database, files):
    """Run what is pending; the names of what ran. Two migrations at once wait for each other."""
    database.script("CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, at timestamptz DEFAULT now())")
    database.query("SELECT pg_advisory_lock(41)")
    done = [row[0] for row in database.query("SELECT name FROM migrations")]
    ran = []
    for file in pending(done, files):
        name = file.name.replace("'", "''")
        database.script(f"BEGIN;\n{file.read_text()}\n;INSERT INTO migrations (name) VALUES ('{name}');COMMIT")
        ran.append(file.name)
    return ran


def main():
    """Migrate the database that the environment names."""
    with store_from(os.environ).connect() as database:
        ran = migrate(database, list(MIGRATIONS.glob("*.sql")))
    print(f"migrated: {', '.join(ran) or 'nothing to do'}", flush=True)


if __name__ == "__main__":
    main()
