"""Label Studio's settings plus the guard; DJANGO_SETTINGS_MODULE names this module.

Label Studio's settings are executed here, not imported, because parts of Label Studio read them as
attributes of the active settings module.
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

# Label Studio stores the whole session in a signed cookie and renews it with every response. A
# response still in progress at logout would therefore log the user in again, and a copied cookie
# would remain valid after logout. A session stored in the database ends with the logout.
SESSION_ENGINE = "django.contrib.sessions.backends.db"

_public = os.environ.get("CAER_PUBLIC_URL")
if _public:
    # A proxy on this machine terminates TLS and sets this header. Without the setting, Django
    # would refuse forms as forged.
    CSRF_TRUSTED_ORIGINS = [_public]
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CSRF_COOKIE_HTTPONLY = True

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Writers wait for each other instead of failing, and readers never wait. Deleted data is
    # overwritten, because somebody may have asked for it to be forgotten.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 30,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA secure_delete=ON",
    }


def _end_with_serve() -> None:
    """Exit at the end of standard input, which `caer-data annotate serve` holds open.

    Standard input closes when that process ends, for whatever reason. Otherwise a server could stay
    behind that nobody can stop.
    """
    os.read(0, 1)
    os.killpg(0, signal.SIGTERM)


if os.environ.get("CAER_LIFELINE"):
    threading.Thread(target=_end_with_serve, daemon=True).start()
