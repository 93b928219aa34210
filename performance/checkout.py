"""Makes this checkout importable where caer-data is not installed, as on a machine without network.

    python performance/checkout.py benchmark selftest --device cuda    # caer-data, not installed

The scripts beside it import it first. Where caer-data is installed it changes nothing but that this
checkout's own files are the ones that run.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

sys.path.insert(0, str(ROOT))

import caer_data  # noqa: E402 - the line above decides which one

if str(ROOT) not in caer_data.__path__:
    # recipes lie beside the package: caer_data.models is the folder models/
    caer_data.__path__.append(str(ROOT))

if __name__ == "__main__":
    from caer_data.cli import main

    main()
