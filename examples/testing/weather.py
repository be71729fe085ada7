"""
A client as you may have one: it asks a service for the weather.
"""

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry


class Weather:
    """Asks for the weather at `url`, three times at most, and never for long."""

    def __init__(self, url: str, timeout: float = 0.5) -> None:
        self.url = url
        self.timeout = timeout
        self.session = requests.Session()
        # Waits 0.2 s before the second retry, and twice as long before each further one.
        retry = Retry(total=2, status_forcelist=[503], backoff_factor=0.1)
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, HTTPAdapter(max_retries=retry))

    def today(self) -> str:
        """The weather; requests.RequestException when the service fails."""
        response = self.session.get(self.url, timeout=self.timeout)
        response.raise_for_status()
        return response.text
