"""Working copies: local folders of datasets and releases that are in an object store.

The store holds, below the address of the dataset or release:

    artifacts/<stage>/<subject>.<key>.zip   finished work, as in the dataset's folder `work`
    blobs/<sha256>                       content of every other file
    states/00000007.json.gz              which files there are: path, size, hash

None of these objects is ever overwritten or renamed. A state is uploaded after everything that it
lists, and only if its number is free. The newest state is therefore always complete, and of two
commands that began with the same state, the later one gets an error. Artifacts need no such care:
equal names mean equal content, so any number of machines may upload them at once.

Next to the folder, `copy.json` contains the number of the state that the folder was fetched from,
and the files of that state.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from caer_data.engine.artifacts import Store
from caer_data.engine.cache import store_folder
from caer_data.engine.copy_files import Entry, Known, State, note, packed, scan, stamp_of, unpacked
from caer_data.engine.copy_files import known as read_known
from caer_data.engine.errors import BusyError, CaerError
from caer_data.engine.files import (
    atomic_path,
    create,
    explain_os_error,
    inside,
    sha256_of,
    temporary_name,
)
from caer_data.engine.objects import Bucket, Place
from caer_data.engine.ownership import claim_dataset
from caer_data.engine.secret import NAME as SECRET

_THREADS: Final = 16
_UPLOAD_EVERY_S: Final = 20.0
_WORK: Final = "work"
_HERE_ONLY: Final = ("log", "samples", "annotate", "view")
"""Folders of `work` that concern only this machine or are quickly recomputed."""
_LOCK: Final = ".lock"
_NOTES: Final = "copy.json"
_CLIPS: Final = "clips/"
_STATES: Final = "states"
_SHARDS: Final = "shards"
_REMOVED: Final = "removed"
_TRIED: Final = "caer-data.txt"
_ARTIFACT: Final = r"[^/]+/[^/]+\.[^/]+\.zip"
_OURS: Final = re.compile(
    rf"{_STATES}/\d{{8}}\.json\.gz|blobs/[0-9a-f]{{64}}|artifacts/{_ARTIFACT}|"
    rf"{_SHARDS}/\d+-of-\d+\.json|{_REMOVED}/{_ARTIFACT}|{re.escape(_TRIED)}"
)
"""Objects that caer-data may have written; all others below the address are never touched."""

Say = Callable[[str], None]


class Copy:
    """The working copy of one dataset or release.

    Args:
        place: address of the dataset or release.
        clips: whether to fetch the cut clips; otherwise they stay in the store.
        artifacts: whether to fetch intermediate results.
        dataset: True for a dataset, False for a release (which has no lock).

    Raises:
        CaerError: obstore is not installed, or the store does not answer or refuses.
    """

    def __init__(
        self, place: Place, *, clips: bool = True, artifacts: bool = False, dataset: bool = True
    ) -> None:
        self.place = place
        self.bucket = Bucket(place)
        self._root = store_folder("dataset", str(place))
        self.folder = self._root / place.name
        self._notes = self._root / _NOTES
        self._clips = clips
        self._artifacts = artifacts
        self._dataset = dataset
        self._there: set[str] | None = None

    def check(self, *, writes: bool) -> None:
        """Check, before anything is created or fetched, that the store can be used.

        Args:
            writes: whether objects must be created. This is tried with an object that is removed
                again if the credentials allow it.

        Raises:
            CaerError: the store does not answer or refuses, or contains something else here.
        """
        self.bucket.check()
        if self._newest() == 0:
            self._require_ours()
        if writes and self.bucket.create(_TRIED, b"Made by caer-data, see docs/scale.md there.\n"):
            with suppress(CaerError):
                self.bucket.remove([_TRIED])

    def pull(self, say: Say = lambda text: None) -> None:
        """Update the folder to the newest state.

        Unfinished work of an interrupted command stays in the folder, unless another command has
        uploaded a newer state since. In that case the folder is moved aside, and `say` receives a
        sentence that says where.

        Raises:
            BusyError: a command on this machine is working in the folder.
        """
        with self._synchronising(), self._unused():
            known, newest = read_known(self._notes), self._newest()
            if newest < known.base:
                raise CaerError(
                    f"{self.place}: is older than this machine's copy (state {newest}, the copy "
                    f"has {known.base}); if that is intended, remove {self._root}"
                )
            if known.base != newest and self._changed(known):
                if self._is_worth_keeping():
                    say(self._laid_aside(known))
                known = Known(0, {})
            state = self._state(newest)
            self._fetch(state, known)
            note(self._notes, self.folder, newest, state)
        if self._artifacts and self._fetch_artifacts():
            claim_dataset(self.folder)  # shards may have uploaded artifacts without a state

    def push(self, *, state: bool = True) -> None:
        """Upload what is new: artifacts, then other files, then the state that lists them.

        Args:
            state: whether to upload a state; a shard only uploads artifacts.

        Raises:
            CaerError: another command has uploaded a state since this folder was fetched.
        """
        with self._synchronising():
            if self._artifacts:
                self.put_artifacts()
            if state:
                self._put_state()

    def exchange(self) -> None:
        """Upload the artifacts of this shard, and fetch the artifacts and notes of all shards.

        Raises:
            CaerError: the store does not answer or refuses.
        """
        with self._synchronising():
            self.put_artifacts()
            self._fetch_artifacts()
            for name in [Path(path).name for path in self._own(_SHARDS)]:
                with atomic_path(self.folder / _WORK / _SHARDS / name) as temporary:
                    self.bucket.fetch(f"{_SHARDS}/{name}", temporary)

    def put_note(self, path: Path, write: Callable[[], None]) -> None:
        """Write the note of a shard, and upload it before another command fetches an older one.

        Raises:
            CaerError: the store does not answer or refuses.
        """
        with self._synchronising():
            write()
            self.bucket.put(f"{_SHARDS}/{path.name}", path)

    def contents(self) -> set[str]:
        """Return the SHA-256 of all files whose content is in the store."""
        return {Path(path).name for path in self._own("blobs")}

    def fetch_contents(self, wanted: Mapping[str, str]) -> None:
        """Fetch files whose content is in the store, though no state lists them yet.

        Args:
            wanted: SHA-256 by path relative to the folder.
        """
        entries = [(name, Entry(0, digest)) for name, digest in wanted.items()]
        _each(entries, lambda item: self._fetch_file(*item))

    def hand_over(self, files: Mapping[str, str], kept: Callable[[], set[str]] = set) -> None:
        """Upload the content of files for a later command, and remove those that no state lists.

        The folder otherwise would have changes that this machine seems to have kept to itself. They
        stay if another command works in the folder, such as a build that is about to list them.
        Another shard may read or remove the same files: what is gone from here is in the store.

        Args:
            files: SHA-256 by path relative to the folder.
            kept: returns paths that stay too, because a build has ended and will upload its state.
        """
        paths = {name: inside(self.folder, name) for name in files}
        _each(files.items(), lambda item: self._put_blob(item[1], paths[item[0]]))
        with suppress(BusyError), self._synchronising(), self._unused():
            listed = read_known(self._notes).files.keys() | kept()
            for name, path in paths.items():
                if name not in listed:
                    path.unlink(missing_ok=True)

    def prune(self) -> None:
        """Remove earlier states from the store, and files and artifacts that this folder lacks.

        Other working copies remove the same artifacts when they next fetch, and do not upload them
        again. No other command may write to the store meanwhile.
        """
        with self._synchronising():
            newest = self._newest()
            self.bucket.remove([path for path in self._own(_STATES) if path != _state_name(newest)])
            wanted = {f"blobs/{entry.sha256}" for entry in self._state(newest).values()}
            self.bucket.remove([path for path in self._own("blobs") if path not in wanted])
            here = {_artifact_name(path) for path in self._local_artifacts()}
            gone = [path for path in self._own("artifacts") if path not in here]
            for path in gone:
                self.bucket.create(f"{_REMOVED}/{path.partition('/')[2]}", b"")
            self.bucket.remove(gone)

    def put_artifacts(self) -> None:
        """Upload the artifacts that the store lacks."""
        if self._there is None:
            self._there = set(self._own("artifacts"))
            self._there |= {f"artifacts/{name}" for name in self._removed()}
        names = {_artifact_name(path): path for path in self._local_artifacts()}
        new = {name: path for name, path in names.items() if name not in self._there}
        _each(new.items(), lambda item: self.bucket.create(*item))
        self._there |= new.keys()

    @contextmanager
    def putting_artifacts(self) -> Iterator[None]:
        """Upload artifacts as they are finished, so that little is lost if this machine fails."""
        stop = threading.Event()

        def put() -> None:
            while not stop.wait(_UPLOAD_EVERY_S):
                try:
                    self.put_artifacts()
                except CaerError:
                    return  # `push` tries again and reports the error

        thread = threading.Thread(target=put, daemon=True, name="put-artifacts")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _local_artifacts(self) -> list[Path]:
        return [
            path
            for path in Store(self.folder / _WORK).files()
            if path.parent.name not in _HERE_ONLY
        ]

    def _removed(self) -> list[str]:
        """Return the stage and file name of each artifact that was removed permanently."""
        return [path.partition("/")[2] for path in self._own(_REMOVED)]

    def _fetch_artifacts(self) -> int:
        """Fetch the artifacts that this folder lacks; return how many the store has."""
        for name in self._removed():
            inside(self.folder / _WORK, name).unlink(missing_ok=True)
        things = set(self._own("artifacts"))
        wanted = {}
        for name in things:
            target = inside(self.folder / _WORK, name.partition("/")[2])
            if not target.exists():
                wanted[name] = target
        _each(wanted.items(), lambda item: self._fetch_artifact(*item))
        if self._there is not None:
            self._there |= things
        return len(things)

    def _fetch_artifact(self, name: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(temporary_name(target.name))
        self.bucket.fetch(name, temporary)
        create(temporary, target)

    def settled(self) -> FileLock:
        """Return the lock that lets only one command at a time move files to and from the store.

        Such a command also locks the dataset, though only for as long as it moves files.
        """
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileLock(self._root / "copy.lock")

    @contextmanager
    def _synchronising(self) -> Iterator[None]:
        with self.settled():
            try:
                yield
            except OSError as error:
                raise CaerError(explain_os_error(error, self.folder)) from error

    @contextmanager
    def _unused(self) -> Iterator[None]:
        """Hold the dataset's own lock, so that no other command works in the folder.

        Only to be used while synchronising: `Dataset.lock` waits for the end of that.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._dataset:
            yield
            return
        lock = FileLock(self.folder / _LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise BusyError(
                f"{self.place}: another caer-data command on this machine is working on it in "
                f"{self.folder}; wait for it to end"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _newest(self) -> int:
        names = self._own(_STATES)
        return max((int(Path(name).name.partition(".")[0]) for name in names), default=0)

    def _own(self, kind: str) -> Iterator[str]:
        """Yield the paths of the objects of one kind, without those of others."""
        return (t.path for t in self.bucket.things(kind) if _OURS.fullmatch(t.path))

    def _state(self, number: int) -> State:
        if number == 0:
            return {}
        data = self.bucket.read(_state_name(number))
        if data is None:  # removed by `prune`
            raise CaerError(self._overtaken())
        return unpacked(data, f"{self.place}/{_state_name(number)}")

    def _fetch(self, state: State, known: Known) -> None:
        wanted = [
            (name, entry)
            for name, entry in state.items()
            if (self._clips or not name.startswith(_CLIPS)) and not self._has(name, entry, known)
        ]
        _each(wanted, lambda item: self._fetch_file(*item))
        for name, (size, time_ns, _) in known.files.items():
            path = inside(self.folder, name)
            if name not in state and stamp_of(path) == (size, time_ns):
                path.unlink()

    def _has(self, name: str, entry: Entry, known: Known) -> bool:
        """Whether the folder has a file, unchanged or as changed by a command on this machine."""
        path = inside(self.folder, name)
        if not path.is_file():
            return False
        fetched = known.files.get(name)
        if fetched is None or stamp_of(path) != fetched[:2]:
            return sha256_of(path) == entry.sha256 or fetched is not None
        return fetched[2] == entry.sha256

    def _fetch_file(self, name: str, entry: Entry) -> None:
        target = inside(self.folder, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as temporary:
            self.bucket.fetch(f"blobs/{entry.sha256}", temporary)
            if sha256_of(temporary) != entry.sha256:
                raise CaerError(f"{self.place}/blobs/{entry.sha256}: damaged")
            if name == SECRET:
                temporary.chmod(0o600)

    def _put_state(self) -> None:
        known = read_known(self._notes)
        earlier = self._state(known.base)
        state = scan(self.folder, known)
        if not self._clips:  # clips that were not fetched are still in the store
            state |= {n: e for n, e in earlier.items() if n.startswith(_CLIPS) and n not in state}
        state = dict(sorted(state.items()))
        if state == earlier:
            return
        stored = {entry.sha256 for entry in earlier.values()}
        new = {e.sha256: inside(self.folder, n) for n, e in state.items() if e.sha256 not in stored}
        _each(new.items(), lambda item: self._put_blob(*item))
        if not self.bucket.create(_state_name(known.base + 1), packed(state)):
            raise CaerError(self._overtaken())
        note(self._notes, self.folder, known.base + 1, state)

    def _overtaken(self) -> str:
        return (
            f"{self.place}: another command changed it meanwhile; the results of this command are "
            f"in {self.folder}; run it again to start from the newer state"
        )

    def _put_blob(self, digest: str, path: Path) -> None:
        name = f"blobs/{digest}"
        if self.bucket.size(name) is not None:
            return
        try:
            self.bucket.create(name, path)
        except CaerError:
            # another shard on this machine may have uploaded and removed it meanwhile
            if path.exists() or self.bucket.size(name) is None:
                raise

    def _changed(self, known: Known) -> bool:
        """Whether the folder contains changes that are not in any state."""
        state = scan(self.folder, known)
        fetched = {name: Entry(size, digest) for name, (size, _, digest) in known.files.items()}
        return state != fetched

    def _require_ours(self) -> None:
        """Raise a CaerError if there is no state yet but the store contains other objects here."""
        for thing in self.bucket.things():
            if not _OURS.fullmatch(thing.path):
                raise CaerError(
                    f"{self.place}: is not empty and was not written by caer-data; choose another "
                    "prefix"
                )

    def _is_worth_keeping(self) -> bool:
        """Whether the folder contains more than what a shard leaves behind."""
        return any((self.folder / name).exists() for name in ("generations", "decisions", "tables"))

    def _laid_aside(self, known: Known) -> str:
        number = 1
        while (aside := self._root / f"{self.place.name}.aside-{number}").exists():
            number += 1
        self.folder.rename(aside)
        self.folder.mkdir()
        artifacts, kept = aside / _WORK, self.folder / _WORK
        if artifacts.is_dir():
            shutil.move(artifacts, kept)
        return (
            f"{self.place}: was changed by another command since state {known.base}; work of this "
            f"machine that was not uploaded yet is now in {aside}"
        )


def at(folder: Path) -> Copy | None:
    """Return the working copy that a command is at work in; None if the folder is not one."""
    return _at_work.get(folder)


@contextmanager
def at_work(copy: Copy) -> Iterator[None]:
    """Let the steps of a command find the copy by its folder."""
    _at_work[copy.folder] = copy
    try:
        yield
    finally:
        _at_work.pop(copy.folder, None)


_at_work: Final[dict[Path, Copy]] = {}


def _state_name(number: int) -> str:
    return f"{_STATES}/{number:08d}.json.gz"


def _artifact_name(path: Path) -> str:
    return f"artifacts/{path.parent.name}/{path.name}"


def _each(items: Any, function: Callable[[Any], Any]) -> None:
    """Call a function on all items, several at once; raise the first error."""
    with ThreadPoolExecutor(_THREADS) as threads:
        for _ in threads.map(function, list(items)):
            pass
