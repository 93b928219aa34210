"""Add the controls of additional questions to the labelling page if the recipe asks them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from caer_data.engine.emotions import EMOTIONS
from caer_data.engine.errors import CaerError
from caer_data.labels.extra_questions import SCALES

_TITLES: Final = {
    "second_choice": "Is there a second emotion? (optional)",
    "intensity": "How strong is the emotion? (0 barely noticeable, 1 extremely strong)",
    "valence": "How does the person feel? (-1 very bad, 0 neutral, 1 very good)",
    "arousal": "How excited is the person? (-1 very calm, 0 neutral, 1 very excited)",
}
_KEYS: Final = "890zcvb"
"""Keys of the second choice, which the rest of the page does not use."""
_AFTER: Final = re.compile(r'<Choices\s[^>]*name="confidence".*?</Choices>[ \t]*\n?', re.DOTALL)


def add(page: str, ask: Sequence[str], where: str) -> str:
    """Return the page with the questions after the control `confidence`; existing ones are kept.

    They are hidden if the rater cannot judge the clip. A slider has no value until it is moved,
    although its thumb is in the middle, so the answer to an untouched slider is not sent.

    Raises:
        CaerError: the page has no control `confidence`.
    """
    missing = [name for name in ask if f'name="{name}"' not in page]
    if not missing:
        return page
    found = _AFTER.search(page)
    if found is None:
        raise CaerError(
            f"{where}: the recipe's annotate.ask puts {', '.join(missing)} after the "
            '<Choices name="confidence"> of the page, which was not found; add them to the page'
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
