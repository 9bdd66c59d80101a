#!/usr/bin/env python3
"""Runs the public conformance suite for MCP servers against the fixture server, for one revision of the protocol.

usage: conformance.py --fixture PROGRAM --cache FOLDER --revision 2026-07-28 [--keep FOLDER]

Every check of every scenario must pass, save those of extensions that the server does not offer. Exit 77 (skipped) where the
suite is not installed (scripts/make-npm-clients).
"""
import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

SKIP = 77
SUITE = "node_modules/@modelcontextprotocol/conformance"
EXTENSIONS = re.compile(r"^tasks-")
TIMEOUT_S = 300


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(SKIP)


def required_scenarios(suite, revision):
    """The names under `server:` in the suite's own list for the revision."""
    names, section = [], None
    for line in (suite / "requirements" / f"{revision}.yaml").read_text().splitlines():
        if re.match(r"^\w+:", line):
            section = line.split(":")[0]
        elif section == "server" and line.startswith("  - "):
            names.append(line[4:].strip())
    return names


def run_suite(arguments, url, folder):
    clients = arguments.cache / "mcp-clients"
    node = (clients / "node").read_text()
    command = [node, clients / SUITE / "dist" / "index.js", "server", "--url", url, "--requirements", arguments.revision,
               "-o", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, cwd=folder)
    return done.stdout + done.stderr


def scenario_of(path):
    """server-tools-list-2026-11-24T16-57-25-744Z -> tools-list."""
    return re.sub(r"-\d{4}-\d{2}-\d{2}T[\d-]+Z$", "", path.parent.name).removeprefix("server-")


def read_checks(folder):
    checks = collections.defaultdict(list)
    for path in sorted(folder.glob("*/checks.json")):
        checks[scenario_of(path)] += json.loads(path.read_text())
    return checks


def report(checks, required):
    """Prints the totals; returns what is wrong."""
    faults, passed, beyond = [], 0, 0
    for name in required:
        # Scenario folders may repeat the word that their names begin with.
        if not checks.get(name) and not checks.get(name.removeprefix("server-")):
            faults.append(f"scenario {name} did not run")
    for name, results in checks.items():
        if EXTENSIONS.match(name):
            continue
        is_required = name in required or f"server-{name}" in required
        for check in results:
            if check["status"] == "SUCCESS":
                passed, beyond = passed + is_required, beyond + (not is_required)
            elif check["status"] in ("FAILURE", "WARNING"):
                faults.append(f"{name}: {check['id']}: {check['status']}: {check.get('errorMessage')}")
    print(f"{passed} checks of {len(required)} required scenarios passed, {beyond} more of scenarios that are not scored")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fixture", type=pathlib.Path, required=True)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--revision", required=True)
    parser.add_argument("--keep", type=pathlib.Path, help="a folder for the suite's own reports")
    arguments = parser.parse_args()
    clients = arguments.cache / "mcp-clients"
    if not (clients / ".stamp").exists():
        skip(f"the conformance suite is not installed in {clients} (scripts/make-npm-clients)")
    server = subprocess.Popen([arguments.fixture, "--http"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().strip()
        with tempfile.TemporaryDirectory() as scratch:
            folder = arguments.keep or pathlib.Path(scratch)
            folder.mkdir(parents=True, exist_ok=True)
            output = run_suite(arguments, url, folder)
            faults = report(read_checks(folder), required_scenarios(clients / SUITE, arguments.revision))
    finally:
        server.stdin.close()
        code = server.wait(timeout=30)
    if code != 0:
        faults.append(f"the fixture server exited with {code}")
    if faults:
        print(output)
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
