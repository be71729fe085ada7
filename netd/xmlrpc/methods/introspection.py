"""
system.*: what a client can ask about the methods.

Rules: pure.  `system.multicall`, which calls others, is in `netd.xmlrpc.caller`.

Source: xmlrpc-c's introspection, http://xmlrpc-c.sourceforge.net/introspection.html,
and Eric Kidd's system.multicall.
"""

from __future__ import annotations

from typing import Final

from netd.xmlrpc.registry import Procedure, Registry, procedure
from netd.xmlrpc.scalars import Value

_CAPABILITIES: Final = {
    "xmlrpc": ("http://www.xmlrpc.com/spec", 1),
    "introspect": ("http://xmlrpc-c.sourceforge.net/xmlrpc-c/introspection.html", 1),
    "introspection": ("http://phpxmlrpc.sourceforge.net/doc-2/ch10.html", 2),
    "system.multicall": ("http://www.xmlrpc.com/discuss/msgReader$1208", 1),
    "nil": ("http://www.ontosys.com/xml-rpc/extensions.php", 20010518),
    "faults_interop": ("http://xmlrpc-epi.sourceforge.net/specs/rfc.fault_codes.php", 20010516),
}


def procedures(registry: Registry) -> tuple[Procedure, ...]:
    """system.* about `registry`, to be added to it."""

    def list_methods() -> list[str]:
        """The names of all methods, sorted."""
        return [method.name for method in registry]

    def method_help(name: str) -> str:
        """What a method does, in words."""
        return registry[name].help

    def method_signature(name: str) -> list[list[str]] | str:
        """
        The signatures of a method: of each the type of the result and those of the parameters.

        "undef" when there are none to tell, because the method takes any number
        of parameters or far too many combinations of types.
        """
        return [list(types) for types in registry[name].signature.variants] or "undef"

    def method_exist(name: str) -> bool:
        """Whether there is a method of that name."""
        return registry.get(name) is not None

    undef = ("array", "string"), ("string", "string")
    return (
        procedure(list_methods, "system.listMethods"),
        procedure(method_help, "system.methodHelp"),
        procedure(method_signature, "system.methodSignature", signatures=undef),
        procedure(method_exist, "system.methodExist"),
        procedure(get_capabilities, "system.getCapabilities"),
    )


def get_capabilities() -> dict[str, Value]:
    """What the server can beyond plain XML-RPC: the specification and version of each."""
    keys = ("specUrl", "specVersion")
    return {name: dict(zip(keys, pair, strict=True)) for name, pair in _CAPABILITIES.items()}
