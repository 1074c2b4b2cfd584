"""kmd-sim: an exchange for development and tests, with a ledger of all that it said."""

VERSION = "0.1.0"
