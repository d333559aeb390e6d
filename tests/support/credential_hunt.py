"""A hunt for credentials from inside a container: everywhere that a program there can look.

What it looks for stands in the clear in a folder of the hunt's own alone, which is left out; its words come in rot13.
"""

from __future__ import annotations

import base64
import codecs
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

DONE = "HUNT-IS-OVER"

# One line a find: what kind of place, where, and the word, turned again. Another container's root, where a process of
# it is seen, is searched as our own is.
_SCRIPT = r"""
own=/tmp/hunt
mkdir -p $own && : >$own/found
tr 'A-Za-z' 'N-ZA-Mn-za-m' >$own/words <<'WORDS'
@WORDS@
WORDS
look() {
  grep -aoFf $own/words 2>/dev/null | tr 'A-Za-z' 'N-ZA-Mn-za-m' | sort -u | sed "s|^|$1 $2 |" >>$own/found
}
tokens() {
  grep -aoE 'eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}' 2>/dev/null | cut -d . -f 2 |
    sort -u | sed "s|^|token $1 |" >>$own/found
}
for process in /proc/[0-9]*; do
  for part in environ cmdline; do
    tr '\0' '\n' <"$process/$part" 2>/dev/null >$own/part
    look "$part" "$process" <$own/part
    tokens "$process/$part" <$own/part
  done
done
here=$(readlink /proc/self/ns/mnt)
roots=/
for process in /proc/[0-9]*; do
  there=$(readlink "$process/ns/mnt" 2>/dev/null) && [ "$there" != "$here" ] && roots="$roots $process/root/"
done
for root in $roots; do
  find "$root" \( -path "${root}proc" -o -path "${root}sys" -o -path "${root}dev" -o -path $own \) -prune \
    -o -type f -print 2>/dev/null >$own/files
  tr '\n' '\0' <$own/files | xargs -0 -r grep -alsFf $own/words -- 2>/dev/null >$own/hits
  while IFS= read -r file; do look file "$file" <"$file"; done <$own/hits
  tr '\n' '\0' <$own/files | xargs -0 -r grep -alsE 'eyJ[A-Za-z0-9_-]{10,}\.eyJ' -- 2>/dev/null >$own/hits
  while IFS= read -r file; do tokens "$file" <"$file"; done <$own/hits
done
for folder in /workspace "$HOME"; do
  (cd "$folder" 2>/dev/null && git config --list 2>/dev/null) | look git "$folder"
done
curl -s -m 2 http://169.254.169.254/latest/meta-data/ 2>/dev/null | look metadata 169.254.169.254
: >$own/words
echo @DONE@
"""


@dataclass(frozen=True)
class Find:
    """A credential that was found: ``kind`` of place, ``place``, and ``what`` it is: a name, or whose token."""

    kind: str
    place: str
    what: str


def hunt(secrets: Mapping[str, str]) -> str:
    """The script that looks for ``secrets`` (name to value) in a container with sh, grep, find, git and curl."""
    words = sorted({word for secret in secrets.values() for word in forms(secret)})
    turned = "\n".join(codecs.encode(word, "rot13") for word in words)
    return _SCRIPT.replace("@WORDS@", turned).replace("@DONE@", DONE)


def forms(secret: str) -> list[str]:
    """The secret in plain, hex and the three alignments of base64."""
    data = secret.encode()
    found = [secret, data.hex()]
    for lead in range(3):
        text = base64.b64encode(b"\0" * lead + data).decode()
        # Characters that hang on what stands before and behind are no part of it.
        found.append(text[(0, 2, 3)[lead] : len(text.rstrip("=")) - (1 if text.endswith("=") else 0)])
    return found


def finds(text: str, secrets: Mapping[str, str]) -> list[Find]:
    """What a hunt wrote down, with names in place of values."""
    names = {word: name for name, secret in secrets.items() for word in forms(secret)}
    found = []
    for line in text.splitlines():
        kind, place, last = re.fullmatch(r"(\w+) (.*) (\S+)", line).groups()  # type: ignore[union-attr]
        what = _whose(last) if kind == "token" else names[codecs.decode(last, "rot13")]
        if what:
            found.append(Find(kind, place, what))
    return found


def _whose(payload: str) -> str:
    """The subject of a signed token; empty for what only looks like one."""
    try:
        return str(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"])
    except (ValueError, KeyError, TypeError):
        return ""
