"""
Settings of what was said: a function for each group.

Rules: knows which options belong together, and not where they were said.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

from attrs import evolve, fields

from netd import __version__, settings
from netd.addresses import Network
from netd.options.messages import shown
from netd.options.sources import OptionValue
from netd.values import Endpoint


def _endpoints(said: OptionValue, kind: str, bind: str) -> tuple[Endpoint, ...]:
    found = []
    for text in said.texts:
        try:
            where = Endpoint.parse(text, kind, bind)
        except ValueError as wrong:
            raise said.refuse(text, wrong) from None
        found.append(evolve(where, option=f"--{said.option.name} {text}"))
    return tuple(found)


def _services(said: OptionValue, bind: str) -> tuple[settings.Service, ...]:
    found = []
    for text in said.texts:
        name, _, endpoint = text.partition("=")
        kind = "udp" if endpoint.startswith("udp") else "tcp"
        try:
            if name not in settings.SERVICES:
                raise ValueError(f"not one of {', '.join(settings.SERVICES)}, and =ENDPOINT")
            if endpoint.isdigit():
                raise ValueError("tcp: or udp: must stand before the port")
            where = Endpoint.parse(endpoint, kind, bind)
            if kind not in settings.SERVICES[name]:
                raise ValueError(f"{name} is not offered over {kind}")
        except ValueError as wrong:
            raise said.refuse(text, wrong) from None
        found.append(settings.Service(name, evolve(where, option=f"--service {text}")))
    return tuple(found)


def _networks(said: OptionValue) -> tuple[Network, ...]:
    found = []
    for text in said.texts:
        try:
            items = _listed(text[1:]) if text.startswith("@") else [("", text)]
            for place, item in items:
                try:
                    found.append(Network.parse(item))
                except ValueError as wrong:
                    raise ValueError(f"{place}{wrong}") from None
        except OSError as wrong:
            raise said.refuse(text, wrong.strerror) from None
        except ValueError as wrong:
            raise said.refuse(text, wrong) from None
    return tuple(found)


def _listed(path: str) -> list[tuple[str, str]]:
    """The networks that a file lists, one a line, `#` before comments; each with its place."""
    lines = Path(path).read_text("utf-8").splitlines()
    words = ((number, line.partition("#")[0].strip()) for number, line in enumerate(lines, 1))
    return [(f"line {number}: {shown(word)}: ", word) for number, word in words if word]


def _impairment(said: Mapping[str, OptionValue]) -> settings.Impairment:
    names = ("delay", "loss", "duplicate", "reorder", "corrupt", "seed")
    return settings.Impairment(**{name: said[f"udp-{name}"].value() for name in names})


def _lab(said: Mapping[str, OptionValue]) -> settings.Lab:
    trusted = tuple(said["trust-forwarded"].values())
    revealed = said["reveal"].values()
    return settings.Lab(
        seed=said["seed"].value(),
        unsafe_responses=said["unsafe-responses"].value(),
        redirect_allow=tuple(said["redirect-allow"].values()),
        trust_forwarded=trusted or settings.Lab().trust_forwarded,
        exclude_headers=tuple(said["exclude-header"].values()),
        hostname=platform.node() if "hostname" in revealed else None,
        version=__version__ if "version" in revealed else None,
    )


def _files(said: Mapping[str, OptionValue], bind: str) -> settings.Files:
    return settings.Files(
        root=said["files"].value(),
        listen=_endpoints(said["files-http"], "tcp", bind),
        symlinks=said["files-symlinks"].value(),
        cache=tuple(said["files-cache"].values()),
        headers=tuple(said["files-header"].values()),
        cors=said["files-cors"].value(),
        spa=said["files-spa"].value(),
        missing=said["files-404"].value(),
        faults=said["files-faults"].value(),
        sendfile=said["files-sendfile"].value(),
    )


def _one_number(said: Mapping[str, OptionValue], kind: str) -> Endpoint:
    """The listener on --port; the message of an unknown host names --bind."""
    number, bind = said["port"].value(), said["bind"].value()
    named = "port" if said["bind"].origin == "default" else "bind"
    text = number if named == "port" else bind
    return Endpoint(kind, bind, number, option=f"--{named} {text}")


def _limits(said: Mapping[str, OptionValue]) -> settings.Limits:
    names = [field.name for field in fields(settings.Limits)]
    return settings.Limits(**{name: said[name.replace("_", "-")].value() for name in names})


def _http(said: Mapping[str, OptionValue], bind: str) -> settings.HTTP:
    log = said["access-log"].value()
    return settings.HTTP(
        listen=(_one_number(said, "tcp"), *_endpoints(said["http"], "tcp", bind)),
        delay=said["delay"].value(),
        limits=_limits(said),
        lab=_lab(said),
        access_log=None if log == "off" else log,
        fast_dispatch=said["fast-dispatch"].value(),
    )


def _tls(said: Mapping[str, OptionValue], bind: str) -> settings.TLS:
    """HTTPS, which needs a certificate as a certificate needs it."""
    made = settings.TLS(
        listen=_endpoints(said["https"], "tcp", bind),
        certificate=said["certificate"].value(),
        private_key=said["private-key"].value(),
        directory=said["certificate-dir"].value(),
        client_ca=said["client-ca"].value(),
        client_ca_optional=said["client-ca-optional"].value(),
    )
    if made.listen and made.certificate is None and made.directory is None:
        raise said["https"].refuse(said["https"].texts[0], "needs --certificate")
    for name in ("certificate", "private-key", "certificate-dir", "client-ca"):
        if said[name].texts and not made.listen:
            raise said[name].refuse(said[name].texts[-1], "needs --https")
    if made.private_key is not None and made.certificate is None:
        raise said["private-key"].refuse(said["private-key"].texts[-1], "needs --certificate")
    if made.client_ca_optional and made.client_ca is None:
        raise said["client-ca-optional"].refuse("yes", "needs --client-ca")
    return made


def _udp(said: Mapping[str, OptionValue], bind: str) -> settings.UDP:
    listen: Endpoint | None
    if not said["udp"].texts:
        listen = _one_number(said, "udp")
    elif said["udp"].texts[-1] == "0":
        listen = None
    else:
        listen = _endpoints(said["udp"], "udp", bind)[-1]
    return settings.UDP(
        listen=listen,
        impairment=_impairment(said),
        any_source=said["udp-any-source"].value(),
        rate=said["udp-rate"].value(),
    )


def _access(said: Mapping[str, OptionValue]) -> settings.Access:
    return settings.Access(
        allow=_networks(said["allow"]),
        deny=_networks(said["deny"]),
        proxy_from=_networks(said["proxy-from"]),
        connect_rate=said["connect-rate"].value(),
    )


def _rpc(said: Mapping[str, OptionValue], bind: str) -> settings.RPC:
    return settings.RPC(
        listen=_endpoints(said["rpc-http"], "tcp", bind),
        publish=tuple(said["rpc"].values()),
        suites=said["rpc-interop"].value(),
        workers=said["rpc-workers"].value(),
        cors=tuple(said["rpc-cors"].values()),
    )


def to_settings(said: Mapping[str, OptionValue]) -> settings.Settings:
    """The daemon that was asked for; UsageError names the first thing that is wrong."""
    bind = said["bind"].value()
    return settings.Settings(
        http=_http(said, bind),
        tls=_tls(said, bind),
        files=_files(said, bind),
        udp=_udp(said, bind),
        services=_services(said["service"], bind),
        service_idle=said["service-idle"].value(),
        access=_access(said),
        rpc=_rpc(said, bind),
        grace=said["grace"].value(),
        watch=settings.Watch(
            _endpoints(said["metrics-http"], "tcp", bind)[-1:], said["log"].value()
        ),
    )
