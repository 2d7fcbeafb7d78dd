"""MongoDB: the only package that knows how resources lie in it."""
