"""Lock accounts after too many wrong passwords; a restart does not lift the lockout."""

# mypy: ignore-errors
import hashlib
import hmac
import json
import os
import threading
import time
from pathlib import Path

from django.conf import settings

# Number of wrong passwords before a lockout, and its duration after the last of them.
ATTEMPTS, LOCKED_S = 10, 15 * 60
_REMEMBERED = 10_000  # maximum number of accounts, so that invented names do not fill the memory

_lock = threading.Lock()


def is_locked(email):
    """Return whether an account is locked, so that even the correct password is refused."""
    with _lock:
        count, last = _failed.get(_name(email), (0, 0.0))
    return count >= ATTEMPTS and time.time() - last < LOCKED_S


def record_failure(email):
    """Record a wrong password."""
    now, name = time.time(), _name(email)
    with _lock:
        for old in [key for key, (_, last) in _failed.items() if now - last > LOCKED_S]:
            del _failed[old]
        count, _ = _failed.pop(name, (0, now))
        _failed[name] = (count + 1, now)
        if len(_failed) > _REMEMBERED:
            del _failed[next(iter(_failed))]
        _keep()


def clear_failures(email):
    """Clear the record of an account's wrong passwords."""
    with _lock:
        if _failed.pop(_name(email), None):
            _keep()


def _name(email):
    """Return the name of an account in the file, which contains no addresses."""
    return hmac.new(settings.SECRET_KEY.encode(), email.encode(), hashlib.sha256).hexdigest()


def _path():
    return Path(os.environ["LABEL_STUDIO_BASE_DATA_DIR"]) / "lockouts.json"


def _keep():
    """Write the failures to the file atomically, so that readers see the old or the new ones."""
    temporary = _path().with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(_failed), encoding="utf-8")
    temporary.replace(_path())


def _kept():
    """Return the failures from the file; none if it is missing or damaged."""
    try:
        found = json.loads(_path().read_text(encoding="utf-8"))
        return {str(name): (int(count), float(last)) for name, (count, last) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


_failed = _kept()
