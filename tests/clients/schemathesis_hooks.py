"""What schemathesis loads: about half of the made names become names that exist, so that requests get past "not found"."""
import zlib

import schemathesis

KNOWN = {"agent": ["planner", "critic", "coder"], "workflow": ["review"], "job": ["i-1"], "model": ["all-minilm-l6-v2"]}


def known_instead(values):
    if not isinstance(values, dict):
        return values
    changed = dict(values)
    for name, names in KNOWN.items():
        made = changed.get(name)
        chosen = zlib.crc32(repr(made).encode())
        if isinstance(made, str) and made and chosen % 2 == 0:
            changed[name] = names[chosen // 2 % len(names)]
    return changed


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    return known_instead(path_parameters)


@schemathesis.hook
def map_body(context, body):
    return known_instead(body)
