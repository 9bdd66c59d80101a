"""The contexts that `weir bench registry` and its peers register: one definition, kept the same on both sides.

SplitMix64 with seed s (weir/base/random.h) yields x1, x2, ...; text(s, n) is the n words WORDS[x1 >> 56], WORDS[x2 >> 56],
... joined by single spaces. WORDS has 256 entries, each one token of Qwen3's vocabulary with and without a space before it,
so text(s, n) has n tokens. Then
  head      = text(1, 1000)                  1,000 tokens, the system prompt of every agent
  role(i)   = text(1000 + i, 999)            of agent i = 0, 1, ..., whose name is "agent-" and i in decimal
  context   = head + "\\n\\n" + role(i)        2,000 tokens: the blank line is one
  prompt(j) = head + "\\n\\n" + text(10**12 + j, 999)    no agent's, to ask about
The digest of N contexts is the first 16 hexadecimal digits of the SHA-256 of all N contexts joined without a separator.
"""

import hashlib

import numpy as np

HEAD_TOKENS = 1000
ROLE_TOKENS = 999
SEPARATOR = "\n\n"
WORDS = """
about accept access account act add air all allow also and answer apply ask assume away bad base bear before best big
block board break build business case catch choice church code color come computer continue could country create cup
current cut date deep detail doctor dog drive edge effect end even every example expect face fact fall fast father feel
field figure film final fine firm fish floor four full future game general get girl give glass goal guess hair half
happy hard head health hear heat heavy here his hit hold hope hour human in it its job key kind land large lay lead less
lie light like line live local loss lot low main man many market matter member miss money more much music name near news
next night no none nor north not number off official once only open or other our out own owner paint pair paper part
party pattern per person plan present program property pull push put question radio range rate reason reduce remain
remove rest result right risk rock room rule run say science second security sell set seven shake share she short simple
since site six skill small social some song south space sport staff standard star start station store story strong stuff
subject support sure surface system take task tax term that the theory there thing third those three through throw to
too trip true trust turn two up usually way we wear week weight well what which whole win woman word wrong yard yes
young
""".split()
U64 = np.uint64


def splitmix(seed, count):
    """The first `count` values of weir::Random(seed)."""
    x = U64(seed) + np.arange(1, count + 1, dtype=U64) * U64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> U64(27))) * U64(0x94D049BB133111EB)
    return x ^ (x >> U64(31))


def text(seed, words):
    return " ".join(WORDS[place] for place in (splitmix(seed, words) >> U64(56)).tolist())


def head():
    return text(1, HEAD_TOKENS)


def name(agent):
    return f"agent-{agent}"


def role(agent):
    return text(1000 + agent, ROLE_TOKENS)


def prompt(number):
    return head() + SEPARATOR + text(10**12 + number, ROLE_TOKENS)


def digest(agents):
    total, system = hashlib.sha256(), head()
    for agent in range(agents):
        total.update((system + SEPARATOR + role(agent)).encode())
    return total.hexdigest()[:16]
