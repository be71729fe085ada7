"""What the operator says: flags, environment and TOML file become `Settings`."""
