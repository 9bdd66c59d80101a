#!/usr/bin/env python3
"""Each style rule finds what it forbids and leaves good code alone."""
import unittest

import check_style

ROOMS = {"low": {"floor": 0, "uses": [], "hides": ["fmt::fmt"]}, "high": {"floor": 1, "uses": ["low"], "hides": []}}


def findings(path, text):
    return [finding for _, finding in check_style.check_file(path, text, ROOMS)]


class Rules(unittest.TestCase):
    def expect(self, path, text, part):
        found = findings(path, text)
        self.assertTrue(any(part in finding for finding in found), f"{part!r} not in {found}")

    def test_good_code_passes(self):
        self.assertEqual([], findings("src/high/x.cc", '#include "weir/low/a.h"\n#include "weir/high/b.h"\nint a = 1;\n'))
        self.assertEqual([], findings("src/low/x.cc", "#include <fmt/format.h>\n"))
        self.assertEqual([], findings("src/low/include/weir/low/a.h", "#pragma once\n// Purpose.\n"))

    def test_long_files_say_why(self):
        self.expect("src/low/x.cc", "int a;\n" * 401, "401 lines")
        self.assertEqual([], findings("src/low/x.cc", "// Over 400 lines because it is a table.\n" + "int a;\n" * 401))

    def test_names(self):
        self.expect("src/low/x.cc", "class CacheManager {\n", "CacheManager")
        self.expect("src/low/string_util.cc", "", "file name")

    def test_includes(self):
        self.expect("src/low/x.cc", '#include "weir/high/b.h"\n', "does not declare")
        self.expect("src/high/x.cc", "#include <fmt/format.h>\n", "does not hide")
        self.expect("src/low/include/weir/low/a.h", "#pragma once\n// P.\n#include <fmt/format.h>\n", "public header")
        self.expect("src/low/x.cc", "#include <gtest/gtest.h>\n", "outside a test")

    def test_comments_and_layout(self):
        self.expect("src/low/x.cc", "// TO" + "DO: later\n", "unfinished")
        self.expect("src/low/x.cc", "\tint a;\n", "tab")
        self.expect("src/low/x.cc", "x" * 126 + "\n", "126 columns")
        self.expect("src/low/include/weir/low/a.h", "#pragma once\nint a;\n", "opens with")

    def test_sleeps_in_tests(self):
        self.expect("src/low/x_test.cc", "std::this_thread::sleep_for(1ms);\n", "sleep")


if __name__ == "__main__":
    unittest.main()
