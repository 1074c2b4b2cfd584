import sys

from kmd_sim.cli import main

sys.exit(main())
