#!/usr/bin/env python3
"""Runs one suite of this folder in the clients' own Python environment.

usage: run.py --cache FOLDER SUITE

Exit 77 (skipped), and why, where the clients are not installed (scripts/setup test).
"""
import argparse
import os
import pathlib
import sys

SKIP = 77
NEEDS = {"rest": [], "metrics": [], "openai": ["models/all-minilm-l6-v2"], "mcp": []}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", required=True, type=pathlib.Path)
    parser.add_argument("suite", choices=NEEDS)
    arguments = parser.parse_args()
    python = arguments.cache / "clients-venv/bin/python"
    needed = ["clients-venv/.stamp", "clients/.stamp", *NEEDS[arguments.suite]]
    missing = [name for name in needed if not (arguments.cache / name).exists()]
    if missing:
        print(f"SKIPPED: {', '.join(missing)} not there; scripts/setup build test model brings them")
        sys.exit(SKIP)
    os.chdir(pathlib.Path(__file__).parent)
    os.execv(python, [python, "-m", "unittest", "-v", f"{arguments.suite}_test"])


if __name__ == "__main__":
    main()
