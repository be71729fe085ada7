"""
A Scrapy spider that follows every link from /links/10/0.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import scrapy
from scrapy.crawler import CrawlerProcess

SEEN: set[str] = set()


class Spider(scrapy.Spider):
    """Notes every page, and follows what it links to."""

    name = "links"
    start_urls = [f"{sys.argv[1]}/links/10/0"]  # noqa: RUF012 - Scrapy's own

    def parse(self, response: Any, **_: Any) -> Iterator[Any]:
        """Note this page and go on."""
        SEEN.add(response.url)
        yield from response.follow_all(css="a")


process = CrawlerProcess(
    {"LOG_ENABLED": False, "TELNETCONSOLE_ENABLED": False, "ROBOTSTXT_OBEY": True}
)
process.crawl(Spider)
process.start()
sys.stdout.write(json.dumps(sorted(url.rpartition("/links/")[2] for url in SEEN)))
