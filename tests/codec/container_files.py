"""Small libraries whose content is known, and what a file holds."""

from vcl.codec.container import Container
from vcl.codec.container_layout import OPTIONAL
from vcl.codec.container_writer import Record, append, create
from vcl.errors import BitstreamError

FIRST = (Record(0x0001, 0, b"a network"), Record(0x0020 | OPTIONAL, 0, b""))
SECOND = (Record(0x0011, 1, b"the mask of session 1", version=2), Record(0x0012, 1, bytes(range(64))))
THIRD = (Record(0x0011, 2, bytes(range(255, 55, -1))), Record(0x0013, 2, b"head"))


def library(path, *appends):
    """Write a library with these appends, and give its path."""
    create(path, appends[0])
    for records in appends[1:]:
        append(path, records)
    return path


def contents(path):
    """The records that a file holds, in order."""
    container = Container.open(path)
    return tuple(Record(s.kind, s.session, container.read(s), s.version) for s in container.sections)


def contents_or_none(path):
    """The records that a file holds; None where it is refused."""
    try:
        return contents(path)
    except BitstreamError:
        return None


def is_verified(path):
    """Whether every byte of the file is found right."""
    try:
        Container.open(path).verify()
    except BitstreamError:
        return False
    return True
