"""The page of metrics under Prometheus's own Python parsers, in both forms, after traffic that fills every family."""
import re
import unittest

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

import daemon

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
OTHER_UNITS = re.compile(r"_(ms|us|ns|milliseconds|microseconds|minutes|hours|kb|mb|kib|mib|percent|bits)(_|$)")
NAME = re.compile(r"^[a-z][a-z0-9_]*$")


class MetricsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.guard = daemon.Daemon("--tokenizer", "qwen3")
        cls.daemon = cls.guard.__enter__()
        for agent in ("planner", "critic"):
            cls.daemon.request("POST", "/v1/contexts", {"agent": agent, "text": "Plan the work, then work the plan. " * 30})
        cls.daemon.get("/v1/contexts/planner")
        cls.daemon.get("/v1/contexts/nobody")
        cls.daemon.request("POST", "/v1/share", {})

    @classmethod
    def tearDownClass(cls):
        cls.guard.__exit__()

    def page(self, accept=None):
        status, headers, body = self.daemon.get("/metrics", {"Accept": accept} if accept else {})
        self.assertEqual(status, 200)
        return headers["Content-Type"], body.decode()

    def test_text_form(self):
        kind, text = self.page()
        self.assertTrue(kind.startswith("text/plain; version=0.0.4"), kind)
        families = list(parser.text_string_to_metric_families(text))
        self.assertGreater(len(families), 20)
        self.rules(families)

    def test_openmetrics_form(self):
        kind, text = self.page(OPENMETRICS)
        self.assertTrue(kind.startswith("application/openmetrics-text; version=1.0.0"), kind)
        families = list(openmetrics.text_string_to_metric_families(text))
        self.assertGreater(len(families), 20)
        self.rules(families)

    def test_both_forms_say_the_same(self):
        names = lambda families: {family.name for family in families}
        text = names(parser.text_string_to_metric_families(self.page()[1]))
        self.assertEqual(text, names(openmetrics.text_string_to_metric_families(self.page(OPENMETRICS)[1])))

    def rules(self, families):
        """Those of `promtool check metrics`, which is Go and lies in no registry of packages that set-up uses."""
        seen = set()
        for family in families:
            self.assertNotIn(family.name, seen, "one family twice")
            seen.add(family.name)
            self.assertRegex(family.name, NAME)
            self.assertTrue(family.documentation, f"{family.name}: no help")
            self.assertNotIn(family.type, ("unknown", "untyped"), family.name)
            self.assertIsNone(OTHER_UNITS.search(family.name), f"{family.name}: not a base unit")
            if family.type in ("gauge", "histogram"):
                self.assertFalse(family.name.endswith("_total"), family.name)
            for word in ("counter", "gauge", "histogram", "summary"):
                self.assertNotIn(word, family.name.split("_"))
            self.samples(family)

    def samples(self, family):
        for sample in family.samples:
            if family.type == "counter":
                self.assertTrue(sample.name.endswith("_total"), sample.name)
                self.assertGreaterEqual(sample.value, 0)
            for label, value in sample.labels.items():
                self.assertNotEqual(label, "agent")
                self.assertNotIn(value, ("planner", "critic", "nobody"), f"{sample.name}: the name of an agent")
                if family.type != "histogram":
                    self.assertNotIn(label, ("le", "quantile"))


if __name__ == "__main__":
    unittest.main()
