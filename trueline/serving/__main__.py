"""``python -m trueline.serving``."""

import sys

from trueline.serving.command import main

if __name__ == "__main__":
    sys.exit(main())
