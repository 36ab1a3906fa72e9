"""Needs a package that nobody installed."""

import a_package_nobody_installed  # noqa: F401
