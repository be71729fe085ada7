"""The XML-RPC methods that netd brings."""
