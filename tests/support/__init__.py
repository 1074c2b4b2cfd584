"""Servers, processes, ports and keys for tests and for `make run`. No test and no assertion lives here."""
