"""The built-in samplers, one algorithm a file, the same names in the same order in each. Plugins like any other."""
