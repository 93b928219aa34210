"""Label Studio's settings plus the guard; DJANGO_SETTINGS_MODULE names this module.

Label Studio's settings are executed here, not imported: parts of it look settings up by attribute
of the active module, which an import under another name does not give them.
"""

# mypy: ignore-errors
# ruff: noqa: F821, S102 - names come from the executed file, which is Label Studio's own
import os
import signal
import threading
from pathlib import Path

import label_studio

_path = Path(label_studio.__file__).parent / "core" / "settings" / "label_studio.py"
exec(compile(_path.read_text(encoding="utf-8"), str(_path), "exec"))

if os.environ.get("CAER_GUARD") != "off":
    MIDDLEWARE = [*MIDDLEWARE, "caer_guard.BlindGuard"]

# Label Studio keeps the whole session in a signed cookie and renews it with every response, so a
# response still under way when somebody logs out would log them in again, and a copied cookie
# would outlive the logout. Kept in the database, a session ends when it is ended.
SESSION_ENGINE = "django.contrib.sessions.backends.db"

_public = os.environ.get("CAER_PUBLIC_URL")
if _public:
    # A proxy on this machine ends TLS and says so; without this, forms are refused as forged.
    CSRF_TRUSTED_ORIGINS = [_public]
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CSRF_COOKIE_HTTPONLY = True

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Writers wait for each other instead of failing, readers never wait. What is deleted is
    # overwritten: it may be what somebody wanted forgotten.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 30,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA secure_delete=ON",
    }


def _end_with_serve() -> None:
    """Wait for the end of standard input, which `caer-data annotate serve` holds open.

    It arrives when that process has ended, for whatever reason; a server that nobody can stop must
    not stay.
    """
    os.read(0, 1)
    os.killpg(0, signal.SIGTERM)


if os.environ.get("CAER_LIFELINE"):
    threading.Thread(target=_end_with_serve, daemon=True).start()
