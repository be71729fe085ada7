"""
The OpenAPI document.
"""

from __future__ import annotations

import re
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from netd.lab.table import ROUTES
from netd.test.lab.calls import json_of, lab_state, reply_to


class DocumentTests(SynchronousTestCase):
    """
    `/help/openapi.json`.
    """

    def setUp(self) -> None:
        self.document: Any = json_of(reply_to("GET /help/openapi.json"))

    def test_paths(self) -> None:
        """Every route is a path, with the operations of its methods."""
        self.assertEqual(self.document["openapi"], "3.1.0")
        self.assertEqual(len(self.document["paths"]), len(ROUTES))
        self.assertEqual(set(self.document["paths"]["/post"]) - {"summary"}, {"post"})
        self.assertIn("patch", self.document["paths"]["/anything/{rest}"])

    def test_parameters(self) -> None:
        """Every name in a path is a required parameter; the others are of the query."""
        for path, item in self.document["paths"].items():
            parameters = item.get("parameters", [])
            inside = {each["name"] for each in parameters if each["in"] == "path"}
            self.assertEqual(inside, set(re.findall(r"{(\w+)}", path)))
            self.assertTrue(
                all(each["required"] for each in parameters if each["in"] == "path")
            )
            names = [each["name"] for each in parameters]
            self.assertEqual(len(names), len(set(names)))

    def test_schemas(self) -> None:
        """The schemas hold kinds, limits, choices and repeats."""
        echo = {each["name"]: each for each in self.document["paths"]["/echo"]["parameters"]}
        self.assertEqual(echo["header"]["schema"]["type"], "array")
        self.assertIn("truncate", echo["fault"]["schema"]["enum"])
        self.assertEqual(echo["fault_rate"]["schema"]["maximum"], 1)
        url = self.document["paths"]["/redirect-to"]["parameters"][0]
        self.assertTrue(url["required"])

    def test_operations(self) -> None:
        """Each operation has a unique name, and a body where its method has one."""
        names = [
            operation["operationId"]
            for item in self.document["paths"].values()
            for method, operation in item.items()
            if method not in ("summary", "parameters")
        ]
        self.assertEqual(len(names), len(set(names)))
        self.assertIn("requestBody", self.document["paths"]["/post"]["post"])
        self.assertNotIn("requestBody", self.document["paths"]["/get"]["get"])
        call = self.document["paths"]["/RPC2"]["post"]["requestBody"]
        self.assertEqual(list(call["content"]), ["text/xml"])

    def test_version(self) -> None:
        """The version is shown only with --reveal."""
        self.assertEqual(self.document["info"]["version"], "not told")
        document = json_of(reply_to("GET /help/openapi.json", state=lab_state(version="1.2")))
        self.assertEqual(document["info"]["version"], "1.2")
