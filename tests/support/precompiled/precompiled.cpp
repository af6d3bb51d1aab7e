// Nothing: a library needs a source, and this one has only a precompiled header.
