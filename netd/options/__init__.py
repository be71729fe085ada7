"""What the operator sets: flags, environment and TOML file become `Settings`."""
