"""The SQLite manifest: which rows count, what is known about them, every version, and what must still be purged.

A commit is one SQLite transaction (WAL, synchronous=FULL) made after the key rows are on disk, so whoever opens the folder
sees the version before or the version after. `PRAGMA secure_delete` plus VACUUM plus an emptied WAL make deletions real.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from parmesan_engine.errors import MEND, StoreError, VersionError
from parmesan_engine.memory.codec import pack_change, unpack_change
from parmesan_engine.memory.hashing import sum_to_bytes
from parmesan_engine.memory.records import Change, VersionRecord

FORMAT = 3  # see `migration`
BUSY_SECONDS = 20.0
FILE_NAME = "manifest.sqlite"
CHUNK_FIELDS = (
    "first",
    "count",
    "seq",
    "sample",
    "sample_hash",
    "gesture",
    "author",
    "source",
    "time",
    "experience",
    "coarse_first",
    "coarse_count",
)
SCHEMA = f"""
CREATE TABLE names (code INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE chunks ({", ".join(f"{name} NOT NULL" for name in CHUNK_FIELDS)}, data BLOB NOT NULL, PRIMARY KEY (first));
CREATE TABLE versions (seq INTEGER PRIMARY KEY, version TEXT, total BLOB, time REAL, verb TEXT, author INTEGER,
    entries INTEGER, added INTEGER, removed INTEGER, gesture INTEGER, undoes INTEGER, note TEXT);
CREATE TABLE changes (seq INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE purges (seq INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE receipts (seq INTEGER PRIMARY KEY, data TEXT NOT NULL);
CREATE TABLE metric (id INTEGER PRIMARY KEY CHECK (id = 1), data BLOB NOT NULL, fitted_on TEXT NOT NULL);
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@contextmanager
def store_errors(place: str) -> Iterator[None]:
    """Turn what SQLite and the file system raise into StoreError with what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        busy = "locked" in str(error) or "busy" in str(error)
        todo = (
            "wait for the other process or stop it, then try again"
            if busy
            else "make the folder writable by this user and free some disk space"
        )
        raise StoreError(f"a memory that can be read and written at {place}", str(error), todo) from error
    except sqlite3.ProgrammingError as error:
        raise StoreError(f"an open memory at {place}", str(error), "open it again") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"an intact memory at {place}", str(error), MEND
        ) from error
    except StoreError:
        raise
    except FileNotFoundError as error:
        raise StoreError(f"a whole memory at {place}", f"no {error.filename}", MEND) from error
    except OSError as error:
        raise StoreError(
            f"a memory that can be read and written at {place}",
            error.strerror or str(error),
            "make the folder writable by this user and free some disk space",
        ) from error


class Manifest:
    """One connection to the manifest. Rows and records in, rows and records out; knows nothing of arrays in RAM."""

    def __init__(self, folder: Path | None) -> None:
        self.place = str(folder) if folder else "RAM"
        name = str(folder / FILE_NAME) if folder else ":memory:"
        self._db = sqlite3.connect(name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        for pragma in ("secure_delete = ON", "temp_store = MEMORY", "synchronous = FULL"):
            self._db.execute(f"PRAGMA {pragma}")
        if self.exists and (newest := self.format) > FORMAT:
            self._db.close()
            raise VersionError(
                f"memory format {FORMAT} or older",
                f"format {newest} at {self.place}",
                "update this program: the memory was written by a newer one",
            )

    @property
    def exists(self) -> bool:
        """False for a new file and for one whose creation was cut short."""
        return bool(self._rows("SELECT 1 FROM sqlite_master WHERE name = 'meta'"))

    def create(self, meta: dict[str, str], record: VersionRecord) -> None:
        """Make the tables and the first, empty version in one transaction."""
        self._db.execute("PRAGMA journal_mode = WAL")
        with self.transaction():
            for statement in SCHEMA.split(";\n")[:-1]:
                self._db.execute(statement)
            self._db.execute("INSERT INTO names VALUES (0, '')")
            for key, value in (meta | {"epoch": "0"}).items():
                self.set_meta(key, value)
            self.insert_version(record, Change(), 0)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the write lock; commit durably at the end, or leave everything as it was."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:  # something was raised, perhaps by COMMIT itself
                self._db.execute("ROLLBACK")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """See one version throughout several reads."""
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")

    def _rows(self, statement: str, values: tuple = ()) -> list[tuple]:
        return self._db.execute(statement, values).fetchall()

    def meta(self, key: str) -> str:
        return self._rows("SELECT value FROM meta WHERE key = ?", (key,))[0][0]

    def meta_json(self, key: str) -> Any:
        return json.loads(self.meta(key))

    @property
    def format(self) -> int:
        return int(self.meta("format"))

    @property
    def keys(self) -> str:
        """The format of the key files. Memories made before there was a choice do not say: float32."""
        found = self._rows("SELECT value FROM meta WHERE key = 'keys'")
        return json.loads(found[0][0]) if found else "float32"

    def set_meta(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def head(self) -> tuple[int, int]:
        """Return (seq of the newest version, how often something was purged)."""
        seq, epoch = self._rows("SELECT (SELECT max(seq) FROM versions), (SELECT value FROM meta WHERE key = 'epoch')")[
            0
        ]
        return seq, int(epoch)

    def epoch(self) -> int:
        return int(self.meta("epoch"))

    def names_after(self, code: int) -> list[tuple[int, str]]:
        return self._rows("SELECT code, text FROM names WHERE code > ? ORDER BY code", (code,))

    def intern(self, text: str) -> int:
        """Return the code of a name, making one where needed."""
        found = self._rows("SELECT code FROM names WHERE text = ?", (text,))
        return found[0][0] if found else self._db.execute("INSERT INTO names (text) VALUES (?)", (text,)).lastrowid

    def chunks_after(self, seq: int) -> list[tuple]:
        """Return (fields..., data) of the chunks of later versions, in row order."""
        return self._rows(f"SELECT {', '.join(CHUNK_FIELDS)}, data FROM chunks WHERE seq > ? ORDER BY first", (seq,))

    def row_counts(self) -> tuple[int, int]:
        """Return how many rows of the key file and of the coarse key file are committed."""
        rows = self._rows("SELECT first + count, coarse_first + coarse_count FROM chunks ORDER BY first DESC LIMIT 1")
        return rows[0] if rows else (0, 0)

    def insert_chunk(self, fields: tuple, data: bytes) -> None:
        """Write a chunk; fields in the order of CHUNK_FIELDS."""
        marks = ", ".join("?" * (len(CHUNK_FIELDS) + 1))
        self._db.execute(
            f"INSERT OR REPLACE INTO chunks ({', '.join(CHUNK_FIELDS)}, data) VALUES ({marks})", (*fields, data)
        )

    def versions_after(self, seq: int) -> list[tuple[VersionRecord, int]]:
        """Return (record, digest sum) of later versions, oldest first."""
        rows = self._rows(
            """SELECT version, seq, time, verb, (SELECT text FROM names WHERE code = author), entries, added,
            removed, (SELECT text FROM names WHERE code = gesture), undoes, note, total FROM versions WHERE seq > ?
            ORDER BY seq""",
            (seq,),
        )
        return [(VersionRecord(*row[:-1]), int.from_bytes(row[-1], "little")) for row in rows]

    def insert_version(self, record: VersionRecord, change: Change, total: int) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.seq,
                record.version,
                sum_to_bytes(total),
                record.time,
                record.verb,
                self.intern(record.author),
                record.entries,
                record.added,
                record.removed,
                self.intern(record.gesture),
                record.undoes,
                record.note,
            ),
        )
        self._db.execute("INSERT OR REPLACE INTO changes VALUES (?, ?)", (record.seq, pack_change(change)))

    def notes(self) -> dict[int, str]:
        """Return seq -> label of the versions that have one."""
        return dict(self._rows("SELECT seq, note FROM versions WHERE note <> ''"))

    def set_note(self, seq: int, text: str) -> None:
        self._db.execute("UPDATE versions SET note = ? WHERE seq = ?", (text, seq))

    def changes_after(self, seq: int) -> Iterator[tuple[int, Change]]:
        """Yield (seq, change) of later versions, oldest first."""
        for found, data in self._rows("SELECT seq, data FROM changes WHERE seq > ? ORDER BY seq", (seq,)):
            yield found, unpack_change(data)

    def change(self, seq: int) -> Change:
        return unpack_change(self._rows("SELECT data FROM changes WHERE seq = ?", (seq,))[0][0])

    def drop_unused_names(self) -> None:
        self._db.execute("""DELETE FROM names WHERE code > 0 AND code NOT IN (SELECT sample FROM chunks UNION SELECT sample_hash
            FROM chunks UNION SELECT gesture FROM chunks UNION SELECT author FROM chunks UNION SELECT source FROM chunks
            UNION SELECT author FROM versions UNION SELECT gesture FROM versions)""")

    def insert_purge(self, seq: int, data: bytes) -> None:
        """Note, in the transaction of the unlearn itself, that the files still hold traces."""
        self._db.execute("INSERT INTO purges VALUES (?, ?)", (seq, data))

    def purges(self) -> list[tuple[int, bytes]]:
        """Return (seq, data) of the unlearns whose traces may still be in the files."""
        return self.blocks("purges")

    def blocks(self, table: str) -> list[tuple[int, bytes]]:
        """Return (seq, data) of all rows of `changes` or `purges`."""
        return self._rows(f"SELECT seq, data FROM {table} ORDER BY seq")

    def set_block(self, table: str, seq: int, data: bytes) -> None:
        self._db.execute(f"UPDATE {table} SET data = ? WHERE seq = ?", (data, seq))

    def finish_purge(self, seq: int, receipt: dict) -> None:
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO receipts VALUES (?, ?)", (seq, json.dumps(receipt)))
            self._db.execute("DELETE FROM purges WHERE seq = ?", (seq,))

    def receipts(self) -> list[dict]:
        return [json.loads(row[0]) for row in self._rows("SELECT data FROM receipts ORDER BY seq")]

    def shred(self) -> bool:
        """Rewrite the manifest without free space and empty the write-ahead log. False when readers were in the way."""
        self._db.execute("VACUUM")
        return not self._rows("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]

    def metric(self) -> tuple[bytes, str] | None:
        found = self._rows("SELECT data, fitted_on FROM metric")
        return found[0] if found else None

    def set_metric(self, data: bytes, fitted_on: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO metric VALUES (1, ?, ?)", (data, fitted_on))

    def drop_metric(self) -> None:
        self._db.execute("DELETE FROM metric")

    def copy_to(self, path: Path) -> None:
        """Write a copy as of now to a new file, while others go on reading and writing."""
        self._db.execute("VACUUM INTO ?", (str(path),))

    def cut_after(self, seq: int) -> None:
        """Drop all that came after a version, for good, and write ahead as `create` does. For a copy that nobody else has open."""
        self._db.execute("PRAGMA journal_mode = WAL")
        with self.transaction():
            for table in ("versions", "changes", "chunks", "receipts"):
                self._db.execute(f"DELETE FROM {table} WHERE seq > ?", (seq,))
            self._db.execute("DELETE FROM metric WHERE fitted_on NOT IN (SELECT version FROM versions)")
            self.drop_unused_names()
        self.shred()

    def problems(self) -> list[str]:
        return [f"manifest: {text}" for (text,) in self._rows("PRAGMA quick_check") if text != "ok"]

    def size(self) -> int:
        """Return the bytes of the manifest."""
        return self._rows("PRAGMA page_count")[0][0] * self._rows("PRAGMA page_size")[0][0]

    def close(self) -> None:
        self._db.close()
