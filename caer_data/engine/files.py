"""Files that are complete or absent: atomic writes, hashes, safe names."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import tempfile
import unicodedata
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from caer_data.engine.errors import CaerError
from caer_data.engine.hashing import digest

_RESERVED = {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(1, 10)}

_WORDS = re.compile(r"[A-Za-z0-9]+(?: [A-Za-z0-9]+)*")

_TEMPORARY = re.compile(
    r"\..*\.caer-(?P<host>[0-9a-f]{8})-(?P<pid>\d{1,10})-(?P<start>\d{1,12})-[0-9a-f]{8}\.part",
    re.DOTALL,
)
_LEASE_S = 24 * 3600  # after its last write, another machine's temporary file counts as abandoned
_MANY_FILES = 1000  # from this number on, flushing each file takes longer than flushing every disk
_CLOCK_S = 2  # tolerance where the start of a process is measured by a clock that may be set


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which is renamed to `path` if the block succeeds.

    The block may write a file or a folder. The name comes from `temporary_name`, so that
    `remove_leftovers` can remove it after a kill. The content is flushed to disk before the rename,
    except inside a folder that is itself temporary and is flushed as a whole.

    Raises:
        CaerError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(temporary_name(path.name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        lasts = not any(map(is_temporary, path.parts[:-1]))
        if temporary.is_dir():
            if lasts:
                _flush_contents(temporary)
            if path.is_dir():
                shutil.rmtree(path)
        if lasts:
            flush(temporary)
        temporary.replace(path)
        if lasts:
            flush(path.parent)
    except OSError as error:
        raise CaerError(explain_os_error(error, path)) from error
    finally:
        if temporary.is_dir() and not temporary.is_symlink():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            # If this fails, the block has failed for the same reason, and that error is reported.
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield an empty folder that only this block uses and that is removed afterwards.

    Its name comes from `temporary_name`, so that `remove_leftovers` can remove it after a kill.

    Raises:
        CaerError: the disk is full or the folder cannot be written.
    """
    folder = parent / temporary_name(name)
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise CaerError(explain_os_error(error, folder)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def create(finished: Path, path: Path) -> bool:
    """Move a finished file to `path` unless something exists there; return whether it was moved.

    The finished file no longer exists afterwards, either way. The operation is atomic: if several
    processes create the same path, one wins, and none replaces another's file.

    Raises:
        OSError: the folder cannot be written.
    """
    flush(finished)
    try:
        os.link(finished, path)
    except FileExistsError:
        return False
    except OSError:  # some file systems have no hard links
        if path.exists():
            return False
        finished.replace(path)
    finally:
        finished.unlink(missing_ok=True)
    flush(path.parent)
    return True


def flush(path: Path) -> None:
    """Flush a file, or a folder's files and its directory entries, to disk.

    A renamed file then survives a power cut with its content. On file systems that cannot flush,
    this does nothing.
    """
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _flush_contents(folder: Path) -> None:
    """Flush everything in a folder to disk; with many files, in one call for all disks."""
    contents = list(folder.rglob("*"))
    if len(contents) > _MANY_FILES and hasattr(os, "sync"):
        os.sync()
        return
    for path in contents:
        flush(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def create_text(path: Path, text: str) -> bool:
    """Write a text file as UTF-8 unless it exists; return whether it was written.

    Raises:
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(temporary_name(path.name))
    temporary.write_text(text, encoding="utf-8", newline="\n")
    return create(temporary, path)


def temporary_name(name: str) -> str:
    """Return a hidden, unique temporary name for `name` that identifies this process.

    It has the form `.<name>.caer-<host>-<pid>-<start>-<random>.part`: the host as eight digits of a
    hash, and the start of the process in seconds, as `_start_of` returns it.
    """
    host, process, start = _this_process(os.getpid())
    return f".{name[:48]}.caer-{host}-{process}-{start}-{uuid.uuid4().hex[:8]}.part"


def is_temporary(name: str) -> bool:
    """Whether a name is a `temporary_name`."""
    return _TEMPORARY.fullmatch(name) is not None


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files and folders of interrupted processes, in a folder and below it.

    Only names made by `temporary_name` are considered. Files of running processes on this machine
    stay. Files of other machines are removed only one day after the last write to them or below
    them. Ages are measured with the file system's clock, so changing the local clock does no harm.
    """
    for leftover in folder.rglob(".*.part"):
        match = _TEMPORARY.fullmatch(leftover.name)
        if match is None or _in_use(
            leftover, match["host"], int(match["pid"]), int(match["start"])
        ):
            continue
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


@cache
def _this_process(pid: int) -> tuple[str, int, int]:
    """Return this process's host, pid and start; `pid` is a parameter since forks share caches."""
    return _host(), pid, _start_of(pid)


def _start_of(pid: int) -> int:
    """Return the start of a process in seconds: since boot on Linux, otherwise since 1970.

    On Linux, psutil would add the boot time, which changes when the clock is set. See `starttime`
    in https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html

    Raises:
        psutil.NoSuchProcess: there is no process with this number.
    """
    import psutil

    with suppress(OSError):
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(told.rpartition(")")[2].split()[19]) // os.sysconf("SC_CLK_TCK")
    return int(psutil.Process(pid).create_time())


def _host() -> str:
    return digest(platform.node(), 8)


def _in_use(leftover: Path, host: str, pid: int, start: int) -> bool:
    import psutil

    if host != _host():
        with suppress(OSError):
            return _now_at(leftover.parent) - _last_write(leftover) < _LEASE_S
        return True
    try:
        process = psutil.Process(pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
        return not ended and abs(_start_of(pid) - start) <= _CLOCK_S
    except psutil.NoSuchProcess:
        return False


def _now_at(folder: Path) -> float:
    """Return the current time of a folder's file system, whose clock may be a server's.

    Raises:
        OSError: the folder cannot be written.
    """
    with tempfile.TemporaryFile(dir=folder) as probe:
        return os.fstat(probe.fileno()).st_mtime


def _last_write(path: Path) -> float:
    """Return the time of the last write to a file, or to anything below a folder."""
    inner = path.rglob("*") if path.is_dir() and not path.is_symlink() else ()
    latest = path.lstat().st_mtime
    for entry in inner:
        latest = max(latest, entry.lstat().st_mtime)
    return latest


def explain_os_error(error: OSError, path: Path) -> str:
    """Return one sentence for an operating system's error that says what to do."""
    hints = {
        28: "no space left on the device; free some and run the same command again",
        122: "the disk quota is used up; free some and run the same command again",
        13: "permission denied; choose a folder you may write to",
        30: "the file system is read-only; choose a folder you may write to",
        36: "the file name is too long; shorten it",
        17: "a part of the path is a file, not a folder",
        20: "a part of the path is a file, not a folder",
    }
    return f"{path}: {hints.get(error.errno or 0, error.strerror or str(error))}"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def slug(name: str, longest: int = 60) -> str:
    """Return a safe, lower-case ASCII form of any name, for identifiers and file names.

    Letters and digits are kept, and everything else becomes single hyphens. If letters would be
    lost (other scripts) or a long name cut, six digits of the name's hash keep it unique.
    """
    normal = unicodedata.normalize("NFKD", name)
    plain = "".join(c for c in normal if not unicodedata.combining(c))
    text = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    lost = any(c.isalnum() and not c.isascii() for c in plain)
    if lost or not text or len(text) > longest or text in _RESERVED:
        text = f"{text[: longest - 7].strip('-')}-{digest(name, 6)}".lstrip("-")
    return text


def identifier(name: str, context: str = "") -> str:
    """Return a slug that two names share only if they differ only in case.

    Names of ASCII words separated by single spaces become plain slugs. All other names get six
    digits of their hash, so that an identifier never depends on which other names exist.

    Args:
        name: any name.
        context: distinguishes equal names, such as the folder; becomes part of the hash.
    """
    text = slug(name)
    if not context and _WORDS.fullmatch(name) and text == name.lower().replace(" ", "-"):
        return text
    number = digest(f"{name}\0{context}", 6)
    return f"{text}-{number}"


def refuse_special(path: Path) -> None:
    """Do nothing if there is a file or nothing; reading a pipe would never end.

    Raises:
        CaerError: it is a folder, a pipe or a device.
    """
    if path.exists() and not path.is_file():
        raise CaerError(f"{path}: not a file")


def inside(folder: Path, relative: str) -> Path:
    """Return a path from a table or an archive joined to its folder.

    Raises:
        CaerError: the path is absolute or leaves the folder.
    """
    # strings, which are faster than paths: large releases call this for every clip
    path = os.path.normpath(os.path.join(folder, relative))  # noqa: PTH118
    if os.pardir not in relative and not os.path.isabs(relative):  # noqa: PTH117
        return Path(path)
    root = os.path.abspath(folder)  # noqa: PTH100
    full = os.path.normpath(f"{root}{os.sep}{relative}")
    below = full == root or full.startswith(f"{root.rstrip(os.sep)}{os.sep}")
    if relative.startswith(os.sep) or not below:
        raise CaerError(f"'{relative}' points outside of {folder}")
    return Path(path)
