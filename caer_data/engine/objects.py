"""Objects in an S3-compatible store, accessed with obstore.

The store only has to support list, read, and create if missing; there is no rename. obstore itself
reads credentials, region and endpoint from the usual environment (`AWS_ACCESS_KEY_ID`,
`AWS_ENDPOINT_URL`, ..., or the role of the machine). This module uses them only to remove them from
the store's error messages.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from caer_data.engine import extras
from caer_data.engine.errors import CaerError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Store

SCHEME: Final = "s3://"
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_SECRETS: Final = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID")
_FORBIDDEN: Final = re.compile(r"status code: 40[13]\b")
_ADDRESS: Final = re.compile(r"https?://\S+")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_CHUNK: Final = 8 * 1024**2
_PATIENCE: Final = timedelta(seconds=60)
_RETRIES: Final = 4


@dataclass(frozen=True)
class Place:
    """A bucket and a prefix in it (without slashes at its ends; may be empty)."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def name(self) -> str:
        """The last part of the address, used as a folder name."""
        return self.prefix.rpartition("/")[2] or self.bucket


@dataclass(frozen=True)
class Thing:
    """One object: its path below the place, size in bytes, and time of writing (ns since 1970)."""

    path: str
    size: int
    time_ns: int


def is_remote(text: str) -> bool:
    """Whether a text is an address in an object store rather than a folder."""
    return text.lower().startswith(SCHEME)


def parse(text: str) -> Place:
    """Parse `s3://bucket/prefix`.

    Raises:
        CaerError: the text is malformed.
    """
    bucket, _, prefix = text[len(SCHEME) :].partition("/")
    parts = [part for part in prefix.split("/") if part]
    bad = any(part in (".", "..") or not part.isprintable() for part in parts)
    if not is_remote(text) or not _BUCKET.fullmatch(bucket) or bad:
        raise CaerError(f"{text!r}: give a bucket and a prefix, such as s3://my-bucket/dataset")
    return Place(bucket, "/".join(parts))


class Bucket:
    """The objects at one place.

    Raises:
        CaerError: obstore is not installed. Every method raises it if the store does not answer or
            refuses, with one sentence that contains no credentials.
    """

    def __init__(self, place: Place) -> None:
        extras.require("s3", str(place))
        self.place = place
        self._store = _opened(place)

    def check(self) -> None:
        """Check that the bucket exists and can be read."""
        for _ in self.things():
            break

    def things(self, below: str = "") -> Iterator[Thing]:
        """Yield the objects below a path, in order of their paths."""
        import obstore

        with self._explained("be listed"):
            for batch in obstore.list(self._store, prefix=below or None, chunk_size=1000):
                for meta in batch:
                    yield _thing(meta)

    def read(self, path: str) -> bytes | None:
        """Return the content of a small object; None if it does not exist."""
        import obstore

        with self._explained("be read"):
            try:
                return bytes(obstore.get(self._store, path).bytes())
            except FileNotFoundError:
                self._require_bucket()
                return None

    def fetch(self, path: str, target: Path, on_chunk: Callable[[], None] = lambda: None) -> Thing:
        """Write an object's content to a file, overwriting it; return the object that was fetched.

        Raises:
            CaerError: the object no longer exists.
            OSError: the file cannot be written.
        """
        import obstore

        with self._explained("be read"):
            try:
                answer = obstore.get(self._store, path)
                with target.open("r+b" if target.exists() else "wb") as stream:
                    for chunk in answer.stream(min_chunk_size=_CHUNK):
                        stream.write(chunk)
                        on_chunk()
                    stream.truncate()
                return _thing(answer.meta)
            except FileNotFoundError as error:
                raise CaerError(f"{self.place}/{path}: no longer exists") from error

    def size(self, path: str) -> int | None:
        """Return the size of an object in bytes; None if it does not exist."""
        import obstore

        with self._explained("be read"):
            try:
                return int(obstore.head(self._store, path)["size"])
            except FileNotFoundError:
                return None

    def create(self, path: str, content: bytes | Path) -> bool:
        """Write an object unless it exists; return whether it was written."""
        return self._put(path, content, "create")

    def put(self, path: str, content: bytes | Path) -> None:
        """Write an object, replacing an existing one."""
        self._put(path, content, "overwrite")

    def remove(self, paths: Iterable[str]) -> None:
        """Remove objects; missing ones are ignored."""
        import obstore

        with self._explained("be written"):
            for path in paths:
                try:
                    obstore.delete(self._store, path)
                except FileNotFoundError:
                    continue

    def _put(self, path: str, content: bytes | Path, mode: Any) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._explained("be written"):
            try:
                obstore.put(self._store, path, content, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
        return True

    def _require_bucket(self) -> None:
        """Raise a CaerError if the bucket, not just an object, is missing."""
        self.check()

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Turn the store's exceptions into a CaerError with one sentence."""
        from obstore import exceptions

        try:
            yield
        except CaerError:
            raise
        except (FileNotFoundError, exceptions.BaseError) as error:
            raise CaerError(
                self._sentence(what, error)
            ) from None  # the original text may contain credentials

    def _sentence(self, what: str, error: Exception) -> str:
        from obstore import exceptions

        refused = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
        if isinstance(error, FileNotFoundError) or "NoSuchBucket" in str(error):
            return f"{self.place}: there is no bucket '{self.place.bucket}'"
        if isinstance(error, refused) or _FORBIDDEN.search(str(error)):
            return (
                f"{self.place}: cannot {what} with the credentials of this environment "
                "(AWS_ACCESS_KEY_ID and the like, or the machine's role)"
            )
        return f"{self.place}: cannot {what}: {_reason(error)}"


def _opened(place: Place) -> S3Store:
    from obstore.store import S3Store

    endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), None)
    options: ClientConfig = {"timeout": _PATIENCE * 10, "connect_timeout": timedelta(seconds=10)}
    if endpoint and urlsplit(endpoint).hostname in _LOOPBACK:
        options["allow_http"] = (
            True  # for other hosts only with AWS_ALLOW_HTTP, which obstore reads
        )
    more: dict[str, Any] = {} if endpoint is None else {"endpoint": endpoint}
    return S3Store(
        place.bucket,
        prefix=place.prefix or None,
        client_options=options,
        retry_config={"max_retries": _RETRIES, "retry_timeout": _PATIENCE},
        **more,
    )


def _thing(meta: Any) -> Thing:
    time = meta["last_modified"]
    return Thing(str(meta["path"]), int(meta["size"]), int(time.timestamp()) * 10**9)


def _reason(error: Exception) -> str:
    """Return a short reason without URLs or credentials."""
    text = _ADDRESS.sub("…", " ".join(str(error).split())) or type(error).__name__
    for name in _SECRETS:
        if secret := os.environ.get(name):
            text = text.replace(secret, "…")
    if "error sending request" in text or "connect" in text.lower():
        return "the server does not answer"
    return text[:200]
