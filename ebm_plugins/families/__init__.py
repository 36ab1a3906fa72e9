"""The built-in families, one a file, the same names in the same order in each. Plugins like any other."""
