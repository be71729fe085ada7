"""
Validators (RFC 9110 8.8, 13), freshness (RFC 9111), and fields that clients choose.

Rules: pure functions from a Call to a Reply.
"""

from __future__ import annotations

import re
from typing import Final

from netd.http import conditional, dates
from netd.http.conditional import Validators
from netd.lab.call import HTML, JSON, BadCall, Call, Reply
from netd.lab.endpoints.httpbin_json import dumps, group, json_reply
from netd.lab.endpoints.inspect import describe
from netd.lab.endpoints.response_fields import response_field

# A tag, or one without quotes as httpbin and its clients write it; `*` is none.
_TAG: Final = re.compile(r'((?:W/)?"[^"]*+")|(W/)?([^\s",*][^\s",]*+)')
_ETAG: Final = re.compile(r"[!#-~\x80-\xff]{0,1000}")


def cache(call: Call) -> Reply:
    """Return the request with validators; 304 when it carries a validator."""
    if call.header("if-modified-since") or call.header("if-none-match"):
        return Reply(b"", 304)
    modified = dates.http_date(call.state.now())
    tag = f"{call.state.random.getrandbits(128):032x}"
    validators = (("Last-Modified", modified), call.compatibility.etag(tag))
    return json_reply(describe(call), headers=validators)


def cache_for(call: Call) -> Reply:
    """Return the request, fresh for the seconds in the path."""
    freshness = f"public, max-age={call.value('n')}"
    return json_reply(describe(call), headers=(("Cache-Control", freshness),))


def etag(call: Call) -> Reply:
    """Respond as the resource with the entity tag in the path: with 200, 304 or 412."""
    tag = call.path_values["etag"].removeprefix("W/").strip('"')
    if _ETAG.fullmatch(tag) is None:
        raise BadCall("etag: not the characters of an entity tag")
    fields = (call.compatibility.etag(tag),)
    failed, _ = preconditions(call, tag)
    if failed is not None:
        return Reply(b"", failed, HTML, headers=fields if failed == 304 else ())
    return json_reply(describe(call), headers=fields)


def preconditions(call: Call, tag: str) -> tuple[int | None, bool]:
    """The status that the entity tags in a request demand, and whether its Range applies."""
    values = ((name, call.header(name)) for name in ("if-match", "if-none-match", "if-range"))
    fields = {
        name.encode(): (
            _TAG.sub(lambda m: m[1] or f'{m[2] or ""}"{m[3]}"', value).encode("latin-1"),
        )
        for name, value in values
        if value is not None
    }
    # Without a date that could be compared.
    validators = Validators(f'"{tag}"'.encode("latin-1"), 0, strong=False)
    failed = conditional.evaluate(fields, validators, 0.0)
    return failed, conditional.range_applies(fields, validators, 0.0)


def response_headers(call: Call) -> Reply:
    """Return each argument as a header and in the body."""
    fields = tuple(response_field(call, name, value) for name, value in call.args)
    types = [value for name, value in fields if name.lower() == "content-type"]
    content_type = types[-1] if types else JSON
    fields = tuple(field for field in fields if field[0].lower() != "content-type")
    members = {"Content-Length": "0", "Content-Type": content_type, **group(fields)}
    # The body shows its own length, whose digits count too.
    while members["Content-Length"] != str(len(body := dumps(members))):
        members["Content-Length"] = str(len(body))
    return Reply(body, type=content_type, headers=fields)
