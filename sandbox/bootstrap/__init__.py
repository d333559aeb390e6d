"""Brings a bare clone to where the tests can run: virtualenv, Debian packages, Go-built tools.

Runs on the machine's own Python and imports nothing but the standard library.
"""
