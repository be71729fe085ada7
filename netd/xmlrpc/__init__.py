"""XML-RPC: codec, registry, the methods netd brings, and the resource that publishes them."""
