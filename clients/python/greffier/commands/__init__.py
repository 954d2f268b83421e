"""The built-in commands, one module each; every module has ``build(say)``, which returns it."""
