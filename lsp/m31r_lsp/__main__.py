"""`python -m m31r_lsp` is m31r-lsp."""

import sys

from m31r_lsp.cli import main

sys.exit(main())
