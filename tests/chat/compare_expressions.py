#!/usr/bin/env python3
"""Small templates, one per corner of Jinja and Python that chat templates lean on, rendered by Hugging Face and by Weir.

usage: compare_expressions.py --renderer PROGRAM [--show N]

Equal means the same bytes, or refused by both. Weir may refuse by name (unsupported) only what REFUSED lists.
Exit: 0 equal, 1 differences, 77 skipped (no packages).
"""
import argparse
import json
import subprocess
import sys

VARIABLES = {
    "n": 7, "neg": -7, "big": 9007199254740993, "f": 0.1, "whole": 3.0, "tiny": 1e-07, "huge": 1e22, "yes": True,
    "nothing": None, "s": "Hello World", "u": "Zürich 東京 👩‍👧 é", "pad": "  a b\t\n", "nb": "\u00a0x\u3000", "empty": "",
    "multi": "one\ntwo\r\nthree\n\n  four", "quotes": "it's \"q\"", "words": "a  b c", "html": "<b>&'\"</b>",
    "l": [3, 1, 2], "ls": ["b", "A", "c", "a"], "nest": [[1, 2], [3, [4]]], "el": [], "d": {"b": 1, "a": [1, "x", None], "C": {}},
    "ed": {}, "items_key": {"items": 5, "keys": "k", "x": 1}, "objs": [{"k": 2, "t": "x", "n": {"v": 9}}, {"k": 1, "t": "y"}, {"k": 3}],
    "mixed": [1, True, 1.0, "1", None], "dup": ["a", "b", "a", "B"], "esc": "\\ \n \t \u0001 \u007f \u00ad \u2028 \ue000",
}
EXPRESSIONS = """
n + 1 | n - 10 | n * 2 | n / 2 | n % 3 | neg % 3 | neg / 2 | n % -3 | f + 0.2 | whole | tiny | huge | big + 1 | 10 / 5 | -n | +n
1e3 is defined | 0.1 + 0.2 | 1.5 * 2 | 100000000000000000000.0 | 123456789.123 | 2 * s | s * 2 | s * 0 | l * 2 | l + [9] | n ~ s ~ l
yes + 1 | yes and n | nothing or s | not nothing | n == 7.0 | yes == 1 | "1" == 1 | l == [3, 1, 2] | d == d | nothing == none
1 < 2 | "a" < "B" | l < [4] | n < "x" | s + n | s + nothing | s + undef | undef + s | undef ~ s | undef | undef == undef2 | undef.x | undef["x"]
undef is defined | s.undef | s.undef.x | d.zz | d.zz.y | d["zz"] | nothing.x | n.x | l.x | l[0] | l[-1] | l[9] | l["x"] | s[0] | s[-1] | u[1] | u[7] | s[99]
s[1:4] | s[:-1] | s[::-1] | s[::2] | u[2:9] | l[1:] | l[::-1] | l[:-1] | l[5:] | s[-3:] | l[0:3:2] | s[4:1:-1] | (1, 2)[0] | nothing[1:]
"a" in s | "H" in s | n in l | 1 in l | "b" in d | "zz" not in d | l in d | nothing in l | 1 in s | "x" in undef | n not in l | "x" in nothing
d.items | d.keys() | d.items()|list | d.values()|list | items_key.items | items_key["items"] | items_key.items() | ed["items"] is defined | d.get("a") | d.get("q") | d.get("q", 5) | d.get("b", 5)
d | l | nest | (1,) | (1, "a") | [none, true, 1.5] | {"a": 1} | ed | el | esc | [esc] | [quotes] | ["it's"] | [u] | {"k": {"z": [tiny]}}
nothing | yes | [yes] | "" | " " ~ nothing | l|string | d|string | nothing|string | undef|string | yes|string|length
s.upper() | s.lower() | s.title() | s.capitalize() | s.swapcase() | u.upper() | u.lower() | u|upper | "ÀÉß"|lower | s|title | "a-b c_d (e)"|title | "hELLO wORLD"|capitalize
pad.strip() | pad.lstrip() | pad.rstrip() | "[" ~ nb.strip() ~ "]" | "[" ~ pad|trim ~ "]" | "xxhixx".strip("x") | "abcba".strip("ab") | "x"|trim("x") | n|trim | "[" ~ nb|trim ~ "]" | "ab12".rstrip("0123456789")
words.split() | words.split(" ") | s.split("o") | s.split("o", 1) | s.rsplit("o", 1) | s.split("zz") | s.split("") | pad.split() | "a,b,,c".split(",") | "a b c d".split(none, 2) | multi.splitlines() | "a\\nb".split("\\n")
s.startswith("He") | s.startswith(("x", "He")) | s.endswith("ld") | s.endswith("") | s.replace("o", "0") | s.replace("o", "0", 1) | s.replace("", "-") | s.find("o") | u.find("京") | s.rfind("o") | s.find("z") | s.count("l") | s.index("z")
"{} and {}".format(1, "b") | "{0}{1}{0}".format("a", "b") | "{x}".format(x=5) | "{{}}".format() | "{}".format() | "%s-%d" % ("a", 3) | "%s" % s | "100%%" % () | "%s" % (l,) | "%s %s"|format("a", 1)
", ".join(ls) | ", ".join(l) | ls|join | l|join(", ") | objs|map(attribute="k")|join("+") | objs|join(",", attribute="k") | [s, nothing, undef]|join("|")
s.isdigit() | "12".isdigit() | "ab".isalpha() | "a1".isalnum() | "AB".isupper() | "ab".islower() | " \t".isspace() | "".isspace() | "x".ljust(3) ~ "|" | "x".rjust(3) | "x".center(4) ~ "|" | "x".center(5) ~ "|" | "-5".zfill(4) | "abc".removeprefix("a") | "abc".removesuffix("c") | "a=b=c".partition("=") | "a=b=c".rpartition("=") | "abc".partition("=")
s|length | u|length | l|length | d|length | undef|length | n|length | nothing|length | ed|count | (objs|map(attribute="k"))|length
undef|default("x") | nothing|default("x") | nothing|default("x", true) | ""|default("x", true) | ""|default("x") | undef|default | 0|default(5, boolean=true) | undef|d("y") | d.q|default("z")
l|sort | ls|sort | ls|sort(case_sensitive=true) | l|sort(reverse=true) | objs|sort(attribute="k")|map(attribute="k")|list | d|dictsort | d|dictsort(false, "key", true) | d|dictsort(true) | mixed|sort | dup|unique|list | dup|unique(case_sensitive=true)|list | l|min | l|max | ls|min | el|max | l|sum | objs|sum(attribute="k") | objs|map(attribute="n.v")|list | objs|map(attribute="t", default="-")|list
l|first | l|last | el|first | s|first | s|last | d|first | l|reverse|list | s|reverse | l|reverse | l|list | s|list | d|list | undef|list | nothing|list | l|batch(2)|list | l|batch(2, 0)|list
l|select|list | [0, 1, ""]|select|list | l|select("odd")|list | l|reject("odd")|list | objs|selectattr("t")|map(attribute="k")|list | objs|selectattr("t", "defined")|list|length | objs|rejectattr("t", "equalto", "x")|map(attribute="k")|list | objs|selectattr("k", "gt", 1)|map(attribute="k")|list | ls|map("upper")|list | ls|map("upper")|join | nothing|map("upper")|list | nothing|selectattr("x")|list | l|select("in", [1, 2])|list | l|map("string")|list
d|tojson | l|tojson | s|tojson | u|tojson | esc|tojson | html|tojson | nothing|tojson | yes|tojson | f|tojson | whole|tojson | tiny|tojson | huge|tojson | undef|tojson | d|tojson(indent=2) | d|tojson(indent=4) | nest|tojson(indent=1) | ed|tojson(indent=2) | el|tojson(indent=2) | u|tojson(ensure_ascii=true) | d|tojson(separators=(",", ":")) | d|tojson(sort_keys=true) | (1, 2)|tojson | d.items()|tojson | (l|map("string"))|tojson | {1: 2, none: 3, true: 4}|tojson | d|tojson(indent=0) | big|tojson | neg|tojson
"5"|int | "5.7"|int | "x"|int | "x"|int(3) | 5.9|int | "0x1f"|int(0, 16) | "x1f"|int(5, 16) | nothing|int | "ff"|int(base=16) | " 12 "|int | "-3"|int | "1.5"|float | "x"|float | 2|float | yes|int | 3.7|round | 2.5|round | 2.567|round(2) | 2.1|round(0, "ceil") | -5|abs | -5.5|abs | f|round(3)
multi|indent | multi|indent(2) | multi|indent(2, true) | multi|indent(2, false, true) | multi|indent("> ") | ""|indent | s|replace("o", "0") | n|replace("7", "8") | s|wordcount | html|escape | html|e | html|safe | html|safe + html | html + html|safe | (html|safe) ~ html | "a"|safe|upper | html|e|e | d|items|list | undef|items|list | l|items|list | objs[0]|attr("k") | s|attr("upper")|string is defined
n is odd | n is even | 9 is divisibleby(3) | s is string | n is number | yes is number | yes is integer | n is integer | f is float | yes is boolean | nothing is none | undef is undefined | l is iterable | s is iterable | n is iterable | d is iterable | d is mapping | l is sequence | d is sequence | s is sequence | undef is sequence | yes is true | 1 is true | false is false | n is eq(7) | n is sameas(7) | nothing is sameas(none) | n is in([7]) | n is not in([7]) | "abc" is lower | "ABC" is upper | range is callable | s is callable | n is gt(3) | n is ne(7) | l is not none | (l|map("string")) is iterable | (l|map("string")) is sequence | d.keys() is sequence
range(3)|list | range(1, 4)|list | range(5, 0, -2)|list | range(0)|list | range(200000)|length | dict(a=1, b=2) | dict(d, z=9) | namespace(a=1).a | namespace(a=1).b | strftime_now("%d %b %Y") | strftime_now("%Y-%m-%d %H:%M:%S %j %A %B %p %y %%") | strftime_now("%-d/%m %Z|%z|") | raise_exception("stop " ~ n)
n if yes else 0 | n if nothing | (n if nothing) ~ "." | 1 if nothing else 2 if yes else 3 | (1 if yes else 2) + 1 | yes and not nothing or false | not yes and yes | not (yes and nothing) | l|length > 2 and s is string | (l|length) == 3 | n in [1, 7] and "x" | -n|abs | 2 + 3 * 4 | (2 + 3) * 4 | 10 - 2 - 3 | s ~ 1 + 2 | 7 - 2 ~ "x" | (n == 7) == yes | (n == 7) != (n == 8)
"a" "b" | 'it''s' | "tab\\tnew\\nline" | 'sq\\'s' | "\\\\" | true | True | none | None | [1, 2,] | {"a": 1,} | () | l.append(1) | d.update({}) | l.count(1) | l.index(2) | l.pop() | d.pop("a") | d.copy() | d.setdefault("x", 1) | s.encode() | n() | undef() | s.zzz() | d.get() | s.strip(1) | l|nofilter | l is notest | loop | self
"""
STATEMENTS = [
    "{% for x in l %}{{ loop.index }}:{{ x }}{{ ',' if not loop.last }}{% endfor %}",
    "{% for x in l %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.length }}{% endfor %}",
    "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }}{% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{{ loop.depth }}{{ loop.changed(x > 1) }}{% endfor %}",
    "{% for x in l if x > 1 %}{{ x }}{{ loop.length }}{% else %}none{% endfor %}",
    "{% for x in l if x > 9 %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in undef %}{{ x }}{% else %}none{% endfor %}", "{% for x in nothing %}{{ x }}{% endfor %}",
    "{% for k in d %}{{ k }}{% endfor %}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "{% for k, v in d|dictsort %}{{ k }}{% endfor %}", "{% for a, b in nest %}{{ a }}{{ b }}{% endfor %}",
    "{% for a, b in l %}{{ a }}{% endfor %}", "{% for c in u %}[{{ c }}]{% endfor %}",
    "{% set x = 1 %}{% for i in l %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}",
    "{% for i in l %}{% if i == 1 %}{% set y = 'set' %}{% endif %}{{ y }}.{% endfor %}{{ y }}",
    "{% if yes %}{% set y = 'in' %}{% endif %}{{ y }}",
    "{% set ns = namespace(c=0) %}{% for i in l %}{% set ns.c = ns.c + i %}{% endfor %}{{ ns.c }}",
    "{% set ns = namespace(d) %}{{ ns.b }}", "{% set d.x = 1 %}{{ d }}", "{% set ns = namespace() %}{% set ns._x = 1 %}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a, b = l %}{{ a }}", "{% set t = 1, 2 %}{{ t }}",
    "{% set block %}<{{ n }}>{% endset %}{{ block }}{{ block|length }}{{ block is string }}",
    "{% for i in l %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in l %}{% if i == 1 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% for i in l %}{% for j in l %}{% if j == 1 %}{% break %}{% endif %}{{ i }}{{ j }} {% endfor %}{% endfor %}",
    "{% for i in l %}{% for j in l %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% macro m(a, b=2) %}[{{ a }}{{ b }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=5, a=4) }}{{ m() }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(z=2) }}",
    "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}",
    "{% macro m() %}{{ x }}{% endmacro %}{% set x = 5 %}{{ m() }}",
    "{% macro m() %}{{ x }}{% endmacro %}{% for x in l %}{{ m() }}{% endfor %}",
    "{% macro f(k) %}{{ k }}{% if k > 0 %}{{ f(k - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{% macro f(k) %}{{ f(k) }}{% endmacro %}{{ f(3) }}",
    "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}x{{ n }}{% endcall %}",
    "{% macro m() %}<{{ caller(5) }}>{% endmacro %}{% call(v) m() %}x{{ v }}{% endcall %}",
    "{% macro m() %}a {{ n }} b{% endmacro %}{{ m()|upper }}{{ m()|length }}{{ m() is string }}",
    "{% filter upper %}ab{{ s }}{% endfilter %}", "{% filter replace('a', 'b') %}aXa{% endfilter %}",
    "{% if n > 5 %}a{% elif n > 3 %}b{% else %}c{% endif %}", "{% if n > 9 %}a{% elif n > 3 %}b{% else %}c{% endif %}",
    "{% generation %}{{ s }}{% endgeneration %}", "x{% generation %}\n{{ s }}\n{% endgeneration %}\ny",
    "a\n{% if yes %}\nb\n{% endif %}\nc\n", "a\n  {% if yes %}\n  b\n  {% endif %}\nc", "a {%- if yes -%} b {%- endif -%} c",
    "a  {{- s -}}  b", "a {{ s }}\n b", "{{ s }}\n{{ s }}\n", "{{ s }}\n\n", "  {% set x = 1 %}\n  {{ x }}",
    "{# comment #}\na{# c #}b\n  {# d #}\nc", "a {#- c -#} b", "{% if yes %}  x  {% endif %}  y", "a{% if yes %}\n\nb{% endif %}",
    "x{% if yes %}y{% endif %}", "é{% if yes %}y{% endif %}", "\n{% if yes %}y{% endif %}", "{{ '{{ x }}' }}{{ \"{% y %}\" }}",
    "{% for m in messages %}{{ m.role }}:{{ m['content'] }};{% endfor %}{{ messages|length }}{{ tools }}{{ documents }}",
    "{{ messages[0].role }}{{ messages[-1]['content'] }}{{ messages[0].nothing }}", "{{ messages }}", "{{ messages|tojson }}",
    "{{ messages[1:]|length }}{% for m in messages[::-1] %}{{ m.content }}{% endfor %}", "{{ add_generation_prompt }}",
    "a\r\nb{% if yes %}\r\nc{% endif %}", "{%- set x = s -%}\n\n {{ x }}", "{{ n }}{{- n }} {{ n -}} z",
    "{% set x %}{% for i in l %}{{ i }}{% endfor %}{% endset %}{{ x }}", "{% if undef %}a{% else %}b{% endif %}",
    "{% if undef.x %}a{% endif %}", "{% if el %}a{% endif %}{% if ed %}b{% endif %}{% if empty %}c{% endif %}{% if 0.0 %}d{% endif %}z",
    "{{ raise_exception('no') }}", "{% if not yes %}{{ raise_exception('no') }}{% endif %}ok", "{% set l = l + [4] %}{{ l }}",
    "{% for i in range(3) %}{% set _ = l.append(i) %}{% endfor %}{{ l }}", "{{ {'a': n}['a'] }}{{ {'a': {'b': 2}}.a.b }}",
    "{% raw %}{{ x }}{% endraw %}", "{% include 'x' %}", "{%+ if yes %}a{% endif %}", "{% do l %}", "{% with x = 1 %}{{ x }}{% endwith %}",
    "{{ n", "{% if %}", "{% endif %}", "{{ 1 < n < 9 }}", "{{ s is string and n is number }}", "{{ 7 // 2 }}", "{{ 2 ** 3 }}",
    "{{ caller is defined }}", "{{ varargs is defined }}", "{{ x is defined }}{% set x = 1 %}{{ x is defined }}",
]
# What Weir refuses although Hugging Face renders it: valid Jinja that its reader or its tables do not have.
REFUSED = {
    "{% raw %}{{ x }}{% endraw %}", "{%+ if yes %}a{% endif %}", "{% with x = 1 %}{{ x }}{% endwith %}", "{{ 1 < n < 9 }}",
    "{{ 7 // 2 }}", "{{ 2 ** 3 }}", '{{ "ÀÉß"|lower }}', "{{ s.encode() }}", "{{ self }}", "{{ d.keys() }}", "{{ l|reverse }}",
    "{{ items_key.items() }}", "{{ d.items }}", "{{ items_key.items }}", '{{ items_key["items"] }}', "{{ l|batch(2, 0)|list }}",
    "{{ 1e3 is defined }}", "{{ (1,) }}", "{{ () }}", '{{ "100%%" % () }}', '{{ "%s" % (l,) }}', "{{ self }}",
    '{{ s|attr("upper")|string is defined }}',
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renderer", required=True)
    parser.add_argument("--show", type=int, default=20)
    arguments = parser.parse_args()
    try:
        from transformers.utils import chat_template_utils as hf
    except ImportError:
        print("SKIPPED: the Python package transformers is not installed (tests/requirements.txt)")
        sys.exit(77)
    from compare_templates import NOW, FixedDatetime, render_reference
    hf.datetime = FixedDatetime
    sources = []
    for line in EXPRESSIONS.strip().splitlines():
        # The separator is " | " with blanks on both sides; filters are written without.
        sources += ["{{ " + part.strip() + " }}" for part in line.split(" | ")]
    sources += STATEMENTS
    request = {"messages": [{"role": "user", "content": "q1"}, {"role": "assistant", "content": "a1"}], "variables": VARIABLES}
    seconds = int((NOW - type(NOW)(1970, 1, 1)).total_seconds())
    jobs = [{"source": source, "special_tokens": {}, "messages": request["messages"], "tools": None, "variables": VARIABLES,
             "input": "as_given", "add_generation_prompt": True, "now_local_s": seconds} for source in sources]
    process = subprocess.run([arguments.renderer], input="".join(json.dumps(job) + "\n" for job in jobs),
                             capture_output=True, text=True)
    if process.returncode != 0:
        sys.exit(f"{arguments.renderer} failed ({process.returncode}): {process.stderr[-2000:]}")
    answers = [json.loads(line) for line in process.stdout.split("\n") if line]
    assert len(answers) == len(sources)

    equal, both, refused, faults = 0, 0, 0, []
    for source, answer in zip(sources, answers):
        try:
            expected, error = render_reference(hf, source, {}, request), None
        except Exception as raised:
            expected, error = None, f"{type(raised).__name__}: {raised}"
        ours = answer.get("error")
        if error is not None and ours is not None:
            both += 1
        elif error is None and ours is None and answer["text"] == expected:
            equal += 1
        elif error is None and ours is not None and source in REFUSED:
            refused += 1
        else:
            faults.append(f"{source}\n  expected: {expected!r} {error or ''}\n       got: {answer.get('text')!r} {ours or ''}")
    print(f"{len(sources)} small templates: {equal} equal, {both} refused by both, {refused} refused by name, {len(faults)} differ")
    for fault in faults[:arguments.show]:
        print(fault)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
