"""XML-RPC: arithmetic, its registry and the resource that publishes it."""
