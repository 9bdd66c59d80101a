"""Collects the human text of an unpacked Debian package, one UTF-8 file a language.

Usage: corpus_text.py UNPACKED_PACKAGE OUTPUT_FOLDER

Takes translated manual pages (with their markup, as they are) and the translations in message
catalogues. The result is text to tokenize: many scripts, real words, real punctuation.
"""

import collections
import gettext
import gzip
import pathlib
import sys


def manual_pages(root):
    """Yields (language, text) of usr/share/man/LANGUAGE/manN/PAGE.gz."""
    for path in sorted(root.glob("usr/share/man/*/man*/*.gz")):
        if not path.is_symlink():
            yield path.parts[-3], gzip.decompress(path.read_bytes()).decode("utf-8", "replace")


def translations(root):
    """Yields (language, text) of usr/share/locale/LANGUAGE/LC_MESSAGES/DOMAIN.mo."""
    for path in sorted(root.glob("usr/share/locale/*/LC_MESSAGES/*.mo")):
        if not path.is_symlink():
            with path.open("rb") as stream:
                catalogue = gettext.GNUTranslations(stream)
            messages = catalogue._catalog.items()  # there is no public way to list them
            yield path.parts[-3], "\n".join(text for key, text in messages if key)


def main():
    root, output = map(pathlib.Path, sys.argv[1:])
    texts = collections.defaultdict(list)
    for source in (manual_pages, translations):
        for language, text in source(root):
            texts[language].append(text)
    if not texts:
        sys.exit(f"no text found under {root}")
    for language, parts in texts.items():
        (output / f"{language}.txt").write_text("\n".join(parts), encoding="utf-8", newline="")


main()
