"""A lockout of accounts that many wrong passwords were tried on; a restart does not lift it."""

# mypy: ignore-errors
import hashlib
import hmac
import json
import os
import threading
import time
from pathlib import Path

from django.conf import settings

# Wrong passwords that an account bears, and for how long the lockout lasts after the last of them.
ATTEMPTS, LOCKED_S = 10, 15 * 60
_REMEMBERED = 10_000  # accounts; names that nobody has must not fill the memory

_lock = threading.Lock()


def is_locked(email):
    """Whether an account takes no password at present, right or wrong."""
    with _lock:
        count, last = _failed.get(_name(email), (0, 0.0))
    return count >= ATTEMPTS and time.time() - last < LOCKED_S


def record_failure(email):
    """Note a wrong password."""
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
    """Forget the wrong passwords of an account."""
    with _lock:
        if _failed.pop(_name(email), None):
            _keep()


def _name(email):
    """What an account is called in the file: no address is kept there."""
    return hmac.new(settings.SECRET_KEY.encode(), email.encode(), hashlib.sha256).hexdigest()


def _path():
    return Path(os.environ["LABEL_STUDIO_BASE_DATA_DIR"]) / "lockouts.json"


def _keep():
    """Write them down; whoever reads the file finds the old or the new ones, never a part."""
    temporary = _path().with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(_failed), encoding="utf-8")
    temporary.replace(_path())


def _kept():
    """What was written down; nothing if the file is not there or is damaged."""
    try:
        found = json.loads(_path().read_text(encoding="utf-8"))
        return {str(name): (int(count), float(last)) for name, (count, last) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


_failed = _kept()
