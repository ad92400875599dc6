"""The tiny world that tests stand on: real wheels, a real index, real environments, all on this machine."""
