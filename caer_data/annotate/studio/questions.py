"""The controls of further questions, put into the labelling page where the recipe asks them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.labels.extra_questions import SCALES

_TITLES: Final = {
    "second_choice": "Is there a second emotion? (may be left out)",
    "intensity": "How strong is the emotion? (0 hardly there, 1 as strong as can be)",
    "valence": "How does the person feel? (-1 very bad, 0 neither, 1 very good)",
    "arousal": "How stirred is the person? (-1 very calm, 0 neither, 1 very excited)",
}
_KEYS: Final = "890zcvb"
"""Of the second choice: `x` and `i` are the page's own, and the others are taken."""
_AFTER: Final = re.compile(r'<Choices\s[^>]*name="confidence".*?</Choices>[ \t]*\n?', re.DOTALL)


def add(page: str, ask: Sequence[str], where: str) -> str:
    """Put the questions after the control `confidence`; those that the page has are left alone.

    They hide where the rater cannot judge. No slider has a value before it is moved, although its
    thumb stands in the middle: what is not moved is not sent.

    Raises:
        CaerError: there is no such control to put them after.
    """
    missing = [name for name in ask if f'name="{name}"' not in page]
    if not missing:
        return page
    found = _AFTER.search(page)
    if found is None:
        raise CaerError(
            f"{where}: the recipe's annotate.ask puts {', '.join(missing)} after the "
            '<Choices name="confidence"> of the page, which was not found; write them yourself'
        )
    hides = ""
    if 'name="cannot_judge"' in page:
        hides = ' visibleWhen="choice-unselected" whenTagName="cannot_judge"'
    controls = "\n".join(f"        {line}" for name in missing for line in _control(name))
    block = f"      <View{hides}>\n{controls}\n      </View>\n"
    return page[: found.end()] + block + page[found.end() :]


def _control(name: str) -> list[str]:
    lines = [f'<Header value="{_TITLES[name]}" size="5"/>']
    if name in SCALES:
        low, high = (f"{end:g}" for end in SCALES[name])
        ends = f'min="{low}" max="{high}" step="0.05" slider="true"'
        return [*lines, f'<Number name="{name}" toName="clip" {ends}/>']
    choices = "".join(
        f'<Choice value="{emotion}" hotkey="{key}"/>'
        for emotion, key in zip(EMOTIONS, _KEYS, strict=True)
    )
    shape = 'choice="single" showInline="true"'
    return [*lines, f'<Choices name="{name}" toName="clip" {shape}>{choices}</Choices>']
