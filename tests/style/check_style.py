#!/usr/bin/env python3
"""Checks the house style that formatters and compilers do not.

usage: check_style.py --source TREE --rooms rooms.tsv

Rules: file length (a file over 400 lines says why near its top), forbidden words in names, no history or personal notes
in comments, a lead comment in every public header, quoted includes only of declared rooms, third-party includes only in
.cc files of the room that hides them, no sleeps in tests, no tabs, lines of at most 125 columns. Prints file:line: text
for each finding; exit 1 when there is any.
"""
import argparse
import pathlib
import re
import sys

LINES_MAX = 400
COLUMNS_MAX = 125
LONG_FILE_MARK = re.compile(r"(?i)over 400 lines because")
FORBIDDEN_NAME = re.compile(r"\b(?:class|struct|enum class|enum)\s+(?:\[\[nodiscard\]\]\s+)?"
                            r"(\w*(?:Manager|Helper|Util|Utils|Data|Info))\b")
FORBIDDEN_FILE = re.compile(r"(?:^|_)(?:manager|helper|helpers|util|utils|misc|common)\.(?:h|cc)$")
NOTE = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
SLEEP = re.compile(r"\b(?:sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')
# Which declared library owns which third-party include.
THIRD_PARTY = {
    "fmt/": "fmt::fmt", "simdjson.h": "simdjson::simdjson", "xxhash.h": "xxhash",
    "pcre2.h": "pcre2", "CLI/": "CLI11", "toml++/": "tomlplusplus", "jinja/": "weir_jinja", "nlohmann/": "nlohmann",
    "rocksdb/": "rocksdb",
    "hnswlib/": "hnswlib", "boost/": "Boost", "openssl/": "OpenSSL",
    "llama.h": "weir_llama", "llama-ext.h": "weir_llama", "gguf.h": "weir_llama", "ggml.h": "weir_llama",
    "ggml-backend.h": "weir_llama", "ggml-cpu.h": "weir_llama",
}
TEST_ONLY = ("gtest/", "gmock/", "rapidcheck")


def read_rooms(path):
    rooms = {}
    for line in path.read_text().splitlines():
        name, floor, uses, hides = line.split("\t")
        rooms[name] = {"floor": int(floor), "uses": uses.split(), "hides": hides.split()}
    return rooms


def library_of(include):
    for prefix, library in THIRD_PARTY.items():
        if include == prefix or (prefix.endswith("/") and include.startswith(prefix)):
            return library
    return None


def hidden_here(room, library):
    return any(library.split("::")[0].lower() in hidden.lower() for hidden in room["hides"])


def check_include(room_name, rooms, name, include, is_test):
    room = rooms[room_name]
    if include.startswith("weir/"):
        target = include.split("/")[1]
        if target != room_name and target not in room["uses"]:
            return f"room {room_name} does not declare that it uses {target}"
    library = library_of(include)
    if library:
        if name.endswith(".h") and "/include/" in name:
            return f"third-party header {include} in a public header"
        if not hidden_here(room, library) and not is_test:
            return f"room {room_name} does not hide {library}, which owns {include}"
    if include.startswith(TEST_ONLY) and not is_test:
        return f"test library {include} outside a test"
    return None


def check_file(relative, text, rooms):
    """Yields (line number, finding) for one source file; `relative` is its path from the tree's root."""
    lines = text.splitlines()
    base_name = relative.rsplit("/", 1)[-1]
    is_test = base_name.endswith("_test.cc") or relative.startswith("tests/") or "/testing/" in relative
    parts = relative.split("/")
    room_name = parts[1] if parts[0] == "src" and len(parts) > 2 else None
    generated = "generated" in "\n".join(lines[:5]).lower()
    if len(lines) > LINES_MAX and not generated and not LONG_FILE_MARK.search("\n".join(lines[:20])):
        yield len(lines), f"{len(lines)} lines; split it, or say near the top: over {LINES_MAX} lines because ..."
    if FORBIDDEN_FILE.search(base_name):
        yield 1, "file name says nothing about what is inside"
    if relative.endswith(".h") and "/include/weir/" in relative:
        if not lines or lines[0] != "#pragma once" or len(lines) < 2 or not lines[1].startswith("// "):
            yield 1, "a public header opens with #pragma once and a comment: purpose, threads, ownership"
    for number, line in enumerate(lines, 1):
        if "\t" in line:
            yield number, "tab"
        if len(line) > COLUMNS_MAX and not generated:
            yield number, f"{len(line)} columns"
        if NOTE.search(line):
            yield number, "unfinished-work mark"
        match = FORBIDDEN_NAME.search(line)
        if match:
            yield number, f"name {match.group(1)} says nothing about what it is"
        if is_test and SLEEP.search(line):
            yield number, "sleep in a test: use the manual clock or wait for the event"
        match = INCLUDE.match(line)
        if match and room_name in rooms:
            finding = check_include(room_name, rooms, relative, match.group(2), is_test)
            if finding:
                yield number, finding


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--rooms", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    rooms = read_rooms(arguments.rooms)
    files = [path for folder in ("src", "tests", "fuzz") for path in sorted((arguments.source / folder).rglob("*"))
             if path.suffix in (".h", ".cc")]
    findings = 0
    for path in files:
        relative = path.relative_to(arguments.source).as_posix()
        for number, finding in check_file(relative, path.read_text(encoding="utf-8"), rooms):
            print(f"{relative}:{number}: {finding}")
            findings += 1
    print(f"{len(files)} files, {findings} findings")
    if not files:
        sys.exit("no source files found")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
