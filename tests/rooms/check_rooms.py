#!/usr/bin/env python3
"""The build refuses what the room rules forbid: each case is a small tree that must (or must not) configure and compile."""
import argparse
import pathlib
import subprocess
import tempfile
import unittest

ARGUMENTS = None
TOP = """cmake_minimum_required(VERSION 3.25)
project(rooms LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 20)
set(WEIR_TESTS OFF)
list(APPEND CMAKE_MODULE_PATH "{cmake}")
include(WeirRoom)
{rooms}
weir_write_rooms()
"""
LOW = {"src/low/include/weir/low/low.h": "#pragma once\nint Low();\n",
       "src/low/low.cc": '#include "weir/low/low.h"\nint Low() { return 1; }\n'}
MIDDLE = {"src/middle/include/weir/middle/middle.h": "#pragma once\nint Middle();\n",
          "src/middle/middle.cc": '#include "weir/low/low.h"\n#include "weir/middle/middle.h"\nint Middle() { return Low(); }\n'}


def build(rooms, *file_sets):
    """Returns (stage that failed or "ok", output)."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        files = {name: text for file_set in file_sets for name, text in file_set.items()}
        files["CMakeLists.txt"] = TOP.format(cmake=ARGUMENTS.source / "cmake", rooms=rooms)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        configure = ["cmake", "-G", "Ninja", "-S", folder, "-B", folder + "/b", f"-DCMAKE_CXX_COMPILER={ARGUMENTS.compiler}"]
        for stage, command in (("configure", configure), ("compile", ["cmake", "--build", folder + "/b"])):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                return stage, done.stdout + done.stderr
        return "ok", ""


class Rooms(unittest.TestCase):
    def test_declared_use_builds(self):
        self.assertEqual("ok", build("weir_room(low FLOOR 0)\nweir_room(middle FLOOR 1 USES low)", LOW, MIDDLE)[0])

    def test_undeclared_use_does_not_compile(self):
        stage, output = build("weir_room(low FLOOR 0)\nweir_room(middle FLOOR 1)", LOW, MIDDLE)
        self.assertEqual("compile", stage)
        self.assertIn("weir/low/low.h", output)

    def test_includes_do_not_travel(self):
        high = {"src/high/high.cc": '#include "weir/low/low.h"\nint High() { return Low(); }\n'}
        rooms = "weir_room(low FLOOR 0)\nweir_room(middle FLOOR 1 USES low)\nweir_room(high FLOOR 2 USES middle)"
        self.assertEqual("compile", build(rooms, LOW, MIDDLE, high)[0])

    def test_same_or_higher_floor_is_refused(self):
        stage, output = build("weir_room(low FLOOR 1)\nweir_room(middle FLOOR 1 USES low)", LOW, MIDDLE)
        self.assertEqual("configure", stage)
        self.assertIn("floor 1 may not use", output)

    def test_unknown_room_is_refused(self):
        self.assertEqual("configure", build("weir_room(middle FLOOR 1 USES low)", LOW, MIDDLE)[0])

    def test_a_header_that_does_not_compile_alone_is_refused(self):
        bad = dict(LOW)
        bad["src/low/include/weir/low/needs.h"] = "#pragma once\nstd::string Name();\n"
        stage, output = build("weir_room(low FLOOR 0)", bad)
        self.assertEqual("compile", stage)
        self.assertIn("needs.h", output)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--compiler", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=["check_rooms", *rest])
