"""Who has a project open: one small file per session under PROJECT/here, touched while the session lives. No server needed.

Times are compared with that of a file just touched, so clocks of machines that share a folder need not agree.
"""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from parmesan_engine.errors import FormatError, StoreError
from parmesan_engine.io.files import write_beside

FOLDER = "here"
GONE_SECONDS = 6.0  # without a sign of life
FORGOTTEN_SECONDS = 3600.0  # after which anyone may delete the file
MAX_PEOPLE = 64
MAX_BYTES = 4096
TOKEN = re.compile(r"[A-Za-z0-9]{8,64}")


@dataclass(frozen=True)
class Person:
    """Somebody at work. sample: id of what is open there, empty when nothing is."""

    author: str
    sample: str


def arrive(folder: Path, token: str, person: Person) -> list[Person]:
    """Say that a session is here, and return who else is, by name. token: names the session.

    Call it every second or so. Raises FormatError for a token that is none, StoreError where the folder cannot be written.
    """
    if not TOKEN.fullmatch(token):
        raise FormatError("a token of 8 to 64 letters and digits", repr(token)[:40], "make one with secrets.token_hex")
    own = folder / FOLDER / f"{token}.json"
    try:
        own.parent.mkdir(exist_ok=True)
        if _read(own) == person:
            os.utime(own)
        else:
            write_beside(own, lambda file: file.write(json.dumps(asdict(person)).encode()))
        return _others(own)
    except OSError as error:
        raise StoreError("a project folder that can be written", str(error), "check permission and free space") from error


def leave(folder: Path, token: str) -> None:
    """Say that a session has gone, at once instead of after some seconds."""
    if TOKEN.fullmatch(token):
        (folder / FOLDER / f"{token}.json").unlink(missing_ok=True)


def _others(own: Path) -> list[Person]:
    now, found = own.stat().st_mtime, []
    with os.scandir(own.parent) as files:
        for file in files:
            if not file.name.endswith(".json") or file.name == own.name:
                continue
            try:
                age = now - file.stat().st_mtime
            except FileNotFoundError:  # has just left
                continue
            if age > FORGOTTEN_SECONDS:
                Path(file.path).unlink(missing_ok=True)
            elif age <= GONE_SECONDS and (person := _read(Path(file.path))):
                found.append(person)
            if len(found) >= MAX_PEOPLE:
                break
    return sorted(found, key=lambda person: (person.author.lower(), person.sample))


def _read(path: Path) -> Person | None:
    """Return what a file says; None when it is gone, or was not written by us."""
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(MAX_BYTES))
        return Person(str(data["author"])[:60], str(data["sample"])[:64])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
