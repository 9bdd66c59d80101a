"""Token ids of paragraphs of this tree's documentation and headers, one JSON list a line: what all sides embed. The
texts themselves go to a file of their own, for sides that take nothing else.

usage: ids.py TOKENIZER_JSON ROOT COUNT TEXTS
"""
import json
import pathlib
import random
import re
import sys

from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file(sys.argv[1])
tokenizer.no_padding()
tokenizer.enable_truncation(256)
root = pathlib.Path(sys.argv[2])
texts = []
for path in sorted([*root.glob("docs/*.md"), *root.glob("src/*/include/weir/*/*.h")]):
    texts += [part for part in re.split(r"\n\s*\n", path.read_text()) if len(part.split()) >= 3]
random.Random(7).shuffle(texts)
texts = texts[:int(sys.argv[3])]
with open(sys.argv[4], "w") as file:
    file.writelines(json.dumps(text) + "\n" for text in texts)
for encoding in tokenizer.encode_batch(texts):
    print(json.dumps(encoding.ids))
