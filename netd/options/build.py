"""
Settings made of option values: one field from one option, and the few exceptions.

Rules: knows which options belong together, and not where their texts come from.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from typing import Any, Final, TypeAlias

from attrs import evolve, fields

from netd import __version__, setting_types
from netd.addresses import Network
from netd.options.sources import OptionValue
from netd.queue_url import QueueURL
from netd.regular_file import read_file
from netd.setting_types import ValueType, options_of
from netd.settings import HTTP, SERVICE, TEMPORARY, TLS, Service, Settings
from netd.values import Distribution, Endpoint, quote_unprintable

OptionValues: TypeAlias = Mapping[str, OptionValue]


def build_settings(values: OptionValues) -> Settings:
    """The settings of one daemon; UsageError names the first value that is wrong."""
    settings: Settings = _filled(Settings(), "", values)
    _check_tls(settings.tls, values)
    _check_delay(settings.http, values)
    check_queue(values)
    return settings


def _filled(group: Any, prefix: str, values: OptionValues) -> Any:
    """`group`, with each field as its options say; without a text it keeps its default."""
    changes = {}
    for field in fields(type(group)):
        path = prefix + field.name
        options = options_of(field)
        if not options:
            changes[field.name] = _filled(getattr(group, field.name), f"{path}.", values)
        elif path in _BY_FIELD:
            changes[field.name] = _BY_FIELD[path](values)
        elif (value := values[options[0].name]).texts:
            make = _BY_TYPE.get(value.option.type, _plain)
            changes[field.name] = make(value, values["bind"].value())
    return evolve(group, **changes)


def _plain(value: OptionValue, bind: str) -> object:
    return value.values() if value.option.repeatable else value.value()


# Exceptions


def _endpoints(value: OptionValue, bind: str, kind: str = "tcp") -> tuple[Endpoint, ...]:
    def parse(text: str) -> Endpoint:
        return evolve(Endpoint.parse(text, kind, bind), option=f"--{value.option.name} {text}")

    return value.values(parse)


def _services(value: OptionValue, bind: str) -> tuple[Service, ...]:
    def parse(text: str) -> Service:
        service = Service.parse(text, bind)
        return evolve(service, listen=evolve(service.listen, option=f"--service {text}"))

    return value.values(parse)


def _networks(value: OptionValue, bind: str) -> tuple[Network, ...]:
    return tuple(chain.from_iterable(value.values(_network_list)))


def _network_list(text: str) -> list[Network]:
    """A network, or those of a file that lists one a line, with `#` before comments."""
    if not text.startswith("@"):
        return [Network.parse(text)]
    networks = []
    for number, line in enumerate(read_file(text[1:]).decode().splitlines(), 1):
        if word := line.partition("#")[0].strip():
            try:
                networks.append(Network.parse(word))
            except ValueError as error:
                where = f"line {number}: {quote_unprintable(word)}"
                raise ValueError(f"{where}: {error}") from None
    return networks


def queue_url(value: OptionValue, bind: str = "") -> QueueURL:
    """The URL of the last text, or of the file that the text names."""

    def parse(text: str) -> object:
        if text.startswith("@"):
            text = read_file(text[1:]).decode().strip()
        return value.option.type.parse(text)

    url: QueueURL = value.values(parse)[-1]
    return url


def check_queue(values: OptionValues) -> None:
    """UsageError when messages have a broker and results no Redis."""
    broker = values["rpc-broker"]
    if broker.texts and not values["rpc-queue"].texts:
        raise broker.error(broker.texts[-1], "needs --rpc-queue")


def _on_port(values: OptionValues, kind: str) -> Endpoint:
    """The listener on --port; the message of an unknown host names --bind."""
    port, bind = values["port"].value(), values["bind"].value()
    named = f"--port {port}" if values["bind"].origin == "default" else f"--bind {bind}"
    return Endpoint(kind, bind, port, option=named)


def _http_listen(values: OptionValues) -> tuple[Endpoint, ...]:
    further = _endpoints(values["http"], values["bind"].value())
    return (_on_port(values, "tcp"), *further)


def _udp_listen(values: OptionValues) -> Endpoint | None:
    """The endpoint of the datagram echo, which shares --port when it has none of its own."""
    udp = values["udp"]
    if not udp.texts:
        return _on_port(values, "udp")
    if udp.texts[-1] == "0":
        return None
    return _endpoints(udp, values["bind"].value(), "udp")[-1]


def _revealed(fact: str, text: str, values: OptionValues) -> str | None:
    return text if fact in values["reveal"].values() else None


_BY_TYPE: Final[Mapping[ValueType[object], Callable[[OptionValue, str], object]]] = {
    setting_types.ENDPOINT: _endpoints,
    setting_types.NETWORKS: _networks,
    SERVICE: _services,
    setting_types.QUEUE: queue_url,
    setting_types.BROKER: queue_url,
}
"""What needs the host of --bind, or reads files."""
_BY_FIELD: Final[Mapping[str, Callable[[OptionValues], object]]] = {
    "http.listen": _http_listen,
    "http.lab.hostname": partial(_revealed, "hostname", platform.node()),
    "http.lab.version": partial(_revealed, "version", __version__),
    "udp.listen": _udp_listen,
}
"""What several options decide, or one option for several fields."""


def _check_tls(tls: TLS, values: OptionValues) -> None:
    """HTTPS needs a certificate, and each file needs what uses it."""

    def needs(name: str, other: str) -> Exception:
        return values[name].error(values[name].texts[0], f"needs --{other}")

    if tls.listen and tls.certificate is None and tls.directory is None:
        raise needs("https", "certificate")
    for name in ("certificate", "private-key", "certificate-dir", "client-ca"):
        if values[name].texts and not tls.listen:
            raise needs(name, "https")
    if tls.private_key is not None and tls.certificate is None:
        raise needs("private-key", "certificate")
    if tls.private_key is not None and tls.certificate == TEMPORARY:
        raise needs("private-key", "certificate FILE, as a temporary one has its own")
    if tls.client_ca_optional and tls.client_ca is None:
        raise needs("client-ca-optional", "client-ca")


def _check_delay(http: HTTP, values: OptionValues) -> None:
    """The longest, or else the mean, that --delay says is within --max-delay."""
    delay, longest = http.delay, http.limits.max_delay
    if isinstance(delay, Distribution):
        delay = delay.second if delay.shape == "uniform" and delay.second else delay.first
    if delay.seconds <= longest:
        return
    given, limit = values["delay"], values["max-delay"]
    if given.origin == "default":
        raise limit.error(limit.texts[-1], f"not at least --delay, which is {given.texts[-1]}")
    raise given.error(given.texts[-1], f"not within --max-delay, which is {limit.texts[-1]}")
