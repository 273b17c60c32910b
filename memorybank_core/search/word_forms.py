"""Words of questions: those that name no topic, and the irregular forms of English words.

Both are applied to the query only, so that the index keeps every word.
"""

from __future__ import annotations

from .tokenize import tokenize

GENERIC_WORDS = frozenset(
    tokenize(
        """
        would could might should may can will shall must let just so if then than there here up
        out about into over again also too very more most some any all no yes both either only
        ever yet still already now currently actually really exactly please
        tell told say said mention remind remember recall know think happen get got gotten
        something anything everything someone anyone everyone thing kind sort
        """
    )
)
"""Stems of words that are frequent in questions and name no topic."""

GENERIC_CHARACTERS = frozenset(
    "的了是我你他她它们在有和就也都还把那这吗呢吧啊着过给跟被让对从到与及或很太最不没个之其为以所哪谁啥几"
)
"""Chinese characters of grammar, which name no topic alone or together."""

GENERIC_PHRASES = tuple(
    """
    什么时候 是什么时候 怎么样 为什么 是什么 叫什么 什么 怎么 怎样 哪里 哪儿 哪一 哪个 哪些 哪天
    哪家 多少 几个 几次 几号 几点 请问 告诉 还记得 记得 知道 是不是 有没有 能不能 来着 一下
    """.split()
)
"""Chinese phrases that are frequent in questions and name no topic."""

_IRREGULAR = """
    arise arose arisen; awake awoke awoken; bear bore born borne; beat beaten; become became;
    begin began begun; bend bent; bind bound; bite bit bitten; bleed bled; blow blew blown;
    break broke broken; breed bred; bring brought; build built; burn burnt; buy bought;
    catch caught; choose chose chosen; cling clung; come came; creep crept; deal dealt; dig dug;
    draw drew drawn; dream dreamt; drink drank drunk; drive drove driven; eat ate eaten;
    fall fell fallen; feed fed; feel felt; fight fought; find found; flee fled; fling flung;
    fly flew flown flies; forbid forbade forbidden; forget forgot forgotten;
    forgive forgave forgiven; freeze froze frozen; give gave given; go goes went gone;
    grind ground; grow grew grown;
    hang hung; hear heard; hide hid hidden; hold held; keep kept; kneel knelt; lay laid;
    lead led; lean leant; leap leapt; learn learnt; leave left; lend lent; light lit; lose lost;
    make made; mean meant; meet met; mistake mistook mistaken; mow mown; pay paid; prove proven;
    ride rode ridden; ring rang rung; rise rose risen; run ran; see saw seen; seek sought;
    sell sold; send sent; sew sewn; shake shook shaken; shine shone; shoot shot;
    show shown; shrink shrank shrunk; sing sang sung; sink sank sunk; sit sat; sleep slept;
    slide slid; smell smelt; sow sown; speak spoke spoken; speed sped; spell spelt; spend spent;
    spill spilt; spin spun; spit spat; spoil spoilt; spring sprang sprung; stand stood;
    steal stole stolen; stick stuck; sting stung; stride strode; strike struck; string strung;
    swear swore sworn; sweep swept; swell swollen; swim swam swum; swing swung;
    take took taken; teach taught; tear tore torn; throw threw thrown; understand understood;
    wake woke woken; wear wore worn; weave wove woven; weep wept; win won; wind wound;
    withdraw withdrew withdrawn; write wrote written;
    child children; person people; man men; woman women; foot feet; tooth teeth; mouse mice;
    goose geese; wife wives; husband husbands; life lives; knife knives; leaf leaves; half halves;
    shelf shelves; loaf loaves; wolf wolves; thief thieves; good better best; bad worse worst;
    far farther further; mum mom mother; dad father; grandma grandmother; grandpa grandfather
"""


def _read_forms() -> dict[str, tuple[str, ...]]:
    """Return the stems of the forms of each word, by the stem of each form."""
    forms: dict[str, tuple[str, ...]] = {}
    for line in _IRREGULAR.split(";"):
        stems = tuple(dict.fromkeys(tokenize(line)))
        forms.update((stem, stems) for stem in stems)
    return forms


WORD_FORMS = _read_forms()
"""The stems of all forms of a word, by the stem of each form."""
