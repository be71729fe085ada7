"""XML-RPC: codec, registry of methods, calls, worker pool and the HTTP resource."""
