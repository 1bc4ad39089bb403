"""What a disk may hold after a crash: recorded file operations, replayed up to a point, torn, or with what was not synced lost.

The model of a disk: a write reaches it at once or when its file is synced; a new name when its file or folder is synced; a renamed
or deleted one when its folder is. A kill loses nothing that was written; a power cut may lose any of what was not synced.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HEAD = struct.Struct("<4Q")
PASSING = ("cache", "here", "incoming")  # folders of a project without which it is whole
Files = dict[str, bytes]


@dataclass(frozen=True)
class Operation:
    kind: str
    path: str
    offset: int
    data: bytes


def sections(log: Path, root: Path) -> dict[str, list[Operation]]:
    """Return the recorded operations by the name of their section; paths relative to the section's folder below `root`."""
    content, at, found, current = log.read_bytes(), 0, {}, []
    while at < len(content):
        kind, length, offset, size = HEAD.unpack_from(content, at)
        path, data = content[at + 32 : at + 32 + length].decode(), content[at + 32 + length : at + 32 + length + size]
        at += 32 + length + size
        if chr(kind) == "M":
            current = found.setdefault(path, [])
        else:
            section, _, rest = path.removeprefix(f"{root}/").partition("/")
            if rest.partition("/")[0] not in PASSING:
                current.append(Operation(chr(kind), rest, offset, data.decode().removeprefix(f"{root}/{section}/").encode()
                                         if chr(kind) == "R" else data))
    return found


@dataclass
class Node:
    """The bytes of a file as programs see them, and as the disk has them for certain."""

    now: bytearray
    synced: bytes = b""


@dataclass
class Disk:
    """names: what programs see; kept: what the disk has for certain."""

    names: dict[str, Node] = field(default_factory=dict)
    kept: dict[str, Node] = field(default_factory=dict)

    @classmethod
    def of(cls, files: Files) -> "Disk":
        nodes = {name: Node(bytearray(data), data) for name, data in files.items()}
        return cls(dict(nodes), dict(nodes))

    def apply(self, op: Operation, part: slice = slice(None)) -> None:
        """Do an operation; of a write only a part."""
        if op.kind == "C":
            self.names[op.path] = Node(bytearray())
        elif op.kind == "W":
            node, data = self.names[op.path], op.data[part]
            start = op.offset + (part.start or 0)
            node.now.extend(bytes(max(0, start + len(data) - len(node.now))))
            node.now[start : start + len(data)] = data
        elif op.kind == "T":
            node = self.names[op.path]
            del node.now[op.offset :]
            node.now.extend(bytes(op.offset - len(node.now)))
        elif op.kind == "S" and op.path in self.names:
            node = self.names[op.path]
            node.synced = bytes(node.now)
            self.kept.setdefault(op.path, node)
        elif op.kind == "S":
            for names in (self.names, self.kept):
                inside = {name for name in names if name.rpartition("/")[0] == op.path.rstrip("/")}
                for name in inside:
                    if names is self.names:
                        self.kept[name] = self.names[name]
                    elif name not in self.names:
                        del self.kept[name]
        elif op.kind == "R":
            self.names[op.data.decode()] = self.names.pop(op.path)
        elif op.kind == "U":
            self.names.pop(op.path, None)

    def seen(self) -> Files:
        """Return the files as programs see them: what a killed process leaves."""
        return {name: bytes(node.now) for name, node in self.names.items()}

    def after_power_cuts(self) -> Iterator[Files]:
        """Yield what may be left: nothing that was not synced; only names; only bytes; the bytes of one file alone, or of all others."""
        for names in (self.kept, self.names):
            late = [name for name, node in names.items() if bytes(node.now) != node.synced]
            for chosen in [set(), set(late), *({name} for name in late), *(set(late) - {name} for name in late)]:
                yield {name: bytes(node.now) if name in chosen else node.synced for name, node in names.items()}


def crashes(before: Files, operations: list[Operation]) -> Iterator[tuple[str, Files]]:
    """Yield (what happened, the files then) for a crash before, in the middle of, and after each operation; equal ones once."""
    disk, met = Disk.of(before), set()

    def fresh(files: Files) -> bool:
        digest = hashlib.sha256(b"".join(f"{name}\0{len(data)}\0".encode() + data for name, data in sorted(files.items()))).digest()
        return not (digest in met or met.add(digest))

    for number, op in enumerate([*operations, None]):
        cases = [("killed", disk.seen()), *(("power cut", files) for files in disk.after_power_cuts())]
        if op is not None and op.kind == "W" and len(op.data) > 1:
            half = len(op.data) // 2
            for text, part in (("first half", slice(0, half)), ("second half", slice(half, None))):
                node, old = disk.names[op.path], bytes(disk.names[op.path].now)
                disk.apply(op, part)
                cases.append((f"{text} of a write", disk.seen()))
                node.now[:] = old
        for text, files in cases:
            if fresh(files):
                at = "at the end" if op is None else f"at operation {number} ({op.kind} {op.path} {op.offset}+{len(op.data)})"
                yield f"{text} {at}", files
        if op is not None:
            disk.apply(op)
