"""
What becomes of the client when the service is slow, busy, broken or an impostor.
"""

import pytest
import requests
from weather import Weather


def test_timeout(netd):
    """A service that takes too long is given up."""
    weather = Weather(netd.echo(delay="5s", body="rain"), timeout=0.2)
    weather.session.mount("http://", requests.adapters.HTTPAdapter(max_retries=0))
    with pytest.raises(requests.ReadTimeout):
        weather.today()


def test_retry(netd, netd_key):
    """A busy service is asked again, later each time."""
    weather = Weather(netd.echo(fail_first=2, key=netd_key, body="sun"))
    assert weather.today() == "sun"
    first, second, third = netd.attempts(netd_key)
    assert [each.status for each in (first, second, third)] == [503, 503, 200]
    assert third.at - second.at >= 0.2


def test_broken_body(netd):
    """Half of a response is an error, and not half of the weather."""
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        Weather(netd.fault("truncate")).today()


def test_wrong_certificate(netd_factory, netd_ca, netd_trusted):
    """A service with the certificate of another host is not believed."""
    good = netd_factory(tls=netd_ca)
    assert Weather(good.secure.echo(body="snow")).today() == "snow"
    impostor = netd_factory(tls=netd_ca.wrong_name())
    with pytest.raises(requests.exceptions.SSLError):
        Weather(impostor.secure.echo(body="snow")).today()
