#!/usr/bin/env python3
"""Renders every request with every template by Hugging Face's own code and by Weir, and compares the bytes.

usage: compare_templates.py --renderer PROGRAM --templates DIR [--tokenizers DIR] [--only NAME] [--show N]

Needs the Python packages of tests/requirements.txt. Templates: *.jinja in DIR, and the `chat_template` of each
tokenizer_config.json below the tokenizers folder. A request that HF refuses must be refused by Weir, with the
template's own message. A template that Weir refuses by name (unsupported) is listed, never counted as equal.
Segments are checked as well: they tile the prompt, and each message's text lies in its own segment.
Exit: 0 equal, 1 differences, 77 skipped (no packages or no templates).
"""
import argparse
import copy
import datetime
import json
import pathlib
import subprocess
import sys

from chat_requests import REQUESTS

SKIP = 77
NOW = datetime.datetime(2026, 7, 5, 14, 3, 9)
SPECIAL_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def skip(reason):
    print(f"SKIPPED: {reason}")
    sys.exit(SKIP)


class FixedDatetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def load_templates(templates, tokenizers):
    """Yields (name, source, special tokens, path or None)."""
    for path in sorted(templates.glob("*.jinja")):
        yield path.stem, path.read_text(), SPECIAL_TOKENS
    for path in sorted(tokenizers.glob("*/tokenizer_config.json")) if tokenizers else []:
        config = json.loads(path.read_text())
        source = config.get("chat_template")
        tokens = {}
        for key in ("bos_token", "eos_token", "unk_token", "pad_token"):
            value = config.get(key)
            if isinstance(value, dict):
                value = value["content"]
            if isinstance(value, str):
                tokens[key] = value
        if isinstance(source, str):
            yield f"{path.parent.name} (tokenizer_config)", source, tokens


def render_reference(hf, source, tokens, request):
    variables = {**tokens, **request.get("variables", {})}
    documents = variables.pop("documents", None)
    rendered, _ = hf.render_jinja_template(
        [copy.deepcopy(request["messages"])], tools=copy.deepcopy(request.get("tools")), documents=documents,
        chat_template=source, add_generation_prompt=request.get("add_generation_prompt", True), **variables)
    return rendered[0]


def as_engine(request, walks_content_parts):
    """What vLLM's chat endpoint does to an OpenAI request before rendering."""
    request = copy.deepcopy(request)
    for message in request["messages"]:
        if message["role"] == "assistant" and message.get("tool_calls") == []:
            del message["tool_calls"]
        for item in message.get("tool_calls") or []:
            arguments = item["function"]["arguments"]
            item["function"]["arguments"] = json.loads(arguments or "{}") if isinstance(arguments, str) else arguments
        content = message.get("content")
        parts = [content] if isinstance(content, str) else [part["text"] for part in content or []]
        message["content"] = [{"type": "text", "text": part} for part in parts] if walks_content_parts else "\n".join(parts)
    return request


def check_segments(answer, request):
    """The first fault of the segments, or None."""
    text, at, names = answer["text"].encode(), 0, set()
    for segment in answer["segments"]:
        if segment["begin"] != at or segment["end"] < at:
            return f"segment {segment['name']} begins at {segment['begin']}, not {at}"
        if segment["name"] in names:
            return f"segment name {segment['name']} twice"
        names.add(segment["name"])
        at = segment["end"]
    if at != len(text):
        return f"segments end at {at} of {len(text)}"
    first = 0 if request["messages"][0]["role"] in ("system", "developer") else 1
    for position, message in enumerate(request["messages"], first):
        role = {"developer": "system"}.get(message["role"], message["role"])
        name = f"{role} {position}" if position else role
        content = message.get("content")
        if isinstance(content, list):
            content = content[0]["text"] if content else ""
        if not content or not content.strip() or "<think>" in content or content.strip().encode() not in text:
            continue
        held = [s for s in answer["segments"] if content.strip().encode() in text[s["begin"]:s["end"]]]
        if not held:
            return f"the message {name} lies in no single segment"
        if name in names and name not in [s["name"] for s in held]:
            return f"segment {name} does not hold its message"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renderer", required=True)
    parser.add_argument("--templates", type=pathlib.Path, required=True)
    parser.add_argument("--tokenizers", type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--show", type=int, default=5)
    arguments = parser.parse_args()
    try:
        from transformers.utils import chat_template_utils as hf
    except ImportError:
        skip("the Python package transformers is not installed (tests/requirements.txt)")
    hf.datetime = FixedDatetime
    templates = [t for t in load_templates(arguments.templates, arguments.tokenizers) if arguments.only in t[0]]
    if not templates:
        skip(f"no templates in {arguments.templates}")

    def run(lines):
        process = subprocess.run([arguments.renderer], input="\n".join(json.dumps(line) for line in lines) + "\n",
                                 capture_output=True, text=True)
        if process.returncode != 0:
            sys.exit(f"{arguments.renderer} failed ({process.returncode}): {process.stderr[-2000:]}")
        answers = [json.loads(line) for line in process.stdout.split("\n") if line]
        assert len(answers) == len(lines), (len(answers), len(lines))
        return answers

    described = run([{"source": t[1], "special_tokens": t[2], "describe": True} for t in templates])
    jobs = []
    for (template_name, source, tokens), description in zip(templates, described):
        for request_name, given in REQUESTS.items():
            for style in ("as_given", "engine"):
                request = given if style == "as_given" else as_engine(given, description.get("walks_content_parts", False))
                if style == "engine" and request == given:
                    continue
                try:
                    expected, error = render_reference(hf, source, tokens, request), None
                except Exception as raised:  # whatever a template or Jinja raises
                    expected, error = None, f"{type(raised).__name__}: {raised}"
                jobs.append((template_name, request_name, style, request, expected, error, {
                    "source": source, "special_tokens": tokens, "messages": given["messages"], "tools": given.get("tools"),
                    "variables": given.get("variables", {}), "input": style,
                    "add_generation_prompt": given.get("add_generation_prompt", True),
                    "now_local_s": int(NOW.replace(tzinfo=datetime.timezone.utc).timestamp())}))
    answers = run([job[-1] for job in jobs])

    equal, refused_alike, unsupported, shown = 0, 0, {}, 0
    wrong, segment_faults, exact_templates = [], [], {}
    segment_counts = [0, 0]
    for (template, name, style, request, expected, error, _), answer in zip(jobs, answers):
        ours = answer.get("error")
        exact_templates.setdefault(template, True)
        if ours and ours["code"] == "unsupported" and error is None:
            unsupported.setdefault(template, ours["message"])
            exact_templates[template] = False
        elif error is None and ours is None and answer["text"] == expected:
            equal += 1
            fault = check_segments(answer, request)
            if fault:
                segment_faults.append(f"{template} / {name} / {style}: {fault}")
            segment_counts[0] += len(answer["segments"])
            segment_counts[1] += len(request["messages"])
        elif error is not None and ours is not None:
            refused_alike += 1
        else:
            exact_templates[template] = False
            wrong.append((template, name, style))
            if shown < arguments.show:
                shown += 1
                print(f"--- {template} / {name} / {style}")
                print("expected:", repr(expected) if error is None else error)
                print("     got:", repr(answer.get("text")) if ours is None else ours)
    exact = [template for template, good in exact_templates.items() if good]
    print(f"{len(templates)} templates x {len(REQUESTS)} requests: {equal} equal, {refused_alike} refused by both, "
          f"{len(wrong)} differ; {len(exact)} templates exact, {len(unsupported)} refused by name")
    print(f"{segment_counts[0]} segments for {segment_counts[1]} messages; {len(segment_faults)} faulty")
    for template, message in unsupported.items():
        print(f"refused by name: {template}: {message.splitlines()[0]}")
    counts = {}
    for template, _, _ in wrong:
        counts[template] = counts.get(template, 0) + 1
    for template, count in counts.items():
        print(f"differs: {template}: {count}")
    for fault in segment_faults[:10]:
        print("segments:", fault)
    sys.exit(1 if wrong or segment_faults else 0)


if __name__ == "__main__":
    main()
