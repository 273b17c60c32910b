"""Forms of English verbs: the third person of the present, and back."""

from __future__ import annotations

_MODALS = frozenset(
    "can could will would shall should may might must cannot can't couldn't won't wouldn't "
    "shouldn't mustn't mightn't did didn't had hadn't used ought".split()
)
_THIRD = {
    "am": "is",
    "have": "has",
    "do": "does",
    "go": "goes",
    "was": "was",
    "wasn't": "wasn't",
    "haven't": "hasn't",
    "don't": "doesn't",
}
_SECOND = {
    "is": "are",
    "was": "were",
    "wasn't": "weren't",
    "isn't": "aren't",
    **{third: base for base, third in _THIRD.items() if base not in ("am", "was", "wasn't")},
}
_PAST = frozenset(
    """
    ate awoke became began bent bet bit bled blew bore bought bound bred broke brought built burnt
    came caught chose clung cost crept cut dealt dreamt drank drew drove dug fed fell felt fled flew
    forgave forgot fought found froze gave got grew ground heard held hid hit hung hurt kept knelt
    knew laid leant learnt led left lent let lit lost made meant met mistook overslept paid proved
    put quit ran rang read rode rose said sang sank sat saw sent sewed set shook shot showed shrank
    shut slept slid sold spent spilt split spoke spread stole stood stuck struck stung swam swept
    swore taught thought threw told took tore understood upset went wept withdrew woke won wore
    wove wrote
    """.split()
)
"""Irregular past forms, and forms that are present and past."""
_NOT_AT_FIRST = frozenset(
    """
    bet bit blew bore bound bred clung cost cut felt fed ground heard hid hit hurt knew lay leant
    led left lent let lit mistook put rang rose said saw set shot shut spoke stole stood stuck stung
    swam swore thought told tore understood upset wore
    """.split()
)
IRREGULAR_PAST = "|".join(sorted(_PAST - _NOT_AT_FIRST))
"""Pattern of irregular past forms that begin a sentence of a diary."""
_NOT_VERBS = frozenset(
    """
    too alone well better rather perhaps maybe either neither myself or but so that who of at in on
    with for from to not all each yet though however
    """.split()
)
_PARTICIPLES = frozenset(
    """
    been begun broken chosen done drawn driven drunk eaten fallen flown forgotten given gone gotten
    grown had hidden known proven ridden risen seen shown spoken stolen sung sunk swum taken thrown
    woken worn written
    """.split()
)
_NOT_PAST = frozenset("need feed breed bleed speed embed shed wed exceed proceed succeed".split())
_LIKELY_VERBS = frozenset(
    """
    am have do don't go live love like hate enjoy eat drink get take make want need feel think know
    prefer spend speak teach wear sing keep buy bring become grow learn own write see try use play
    swim cook bake collect avoid miss visit volunteer earn help read run sleep
    add admire agree arrive ask begin believe bring carry choose come create decide deliver enter
    explain follow forget give happen hear ignore improve include invite join knit leave let listen
    lose meet pour pray prepare pretend protect receive relax remember sell send serve sew sit solve
    suffer suggest teach tell throw translate understand wander
    """.split()
)
"""Words that are most likely verbs after "and" and "but"."""
_AMBIGUOUS_VERBS = frozenset(
    """
    build catch clean climb design draw drive fall fill find finish grow hang hold manage move offer
    open paint pay pick put reach repair reply share start stay stop store train travel treat try
    wait walk wash watch weave wish wonder worry
    """.split()
)
"""Words that may be verbs, nouns or adjectives after "and": "tea and open windows"."""
_ADVERB = (
    r"(?:really|also|still|just|even|quite|always|often|never|sometimes|usually|rarely|seldom|now|"
    r"already|almost|mostly|mainly|actually|currently|recently|finally|regularly|normally|"
    r"generally|absolutely|definitely|probably|hardly|barely|simply|only|once|again|soon|"
    r"no longer|kind of|sort of|both|then|ever|once again|secretly|truly|totally|deeply|strongly|"
    r"first|somehow|literally|"
    r"(?!(?:ap|re|sup|multi|com|im)ply\b|rely\b|fly\b|all?y\b|bully\b|rally\b|tally\b)[a-z]+ly)"
)
ADVERBS = rf"(?: {_ADVERB})*"
"""Pattern of the adverbs between a subject and its verb, with the space before each."""


def is_past(verb: str) -> bool:
    """Return whether a verb has the form of the past, which all persons share."""
    verb = verb.lower()
    return verb in _PAST or (verb.endswith("ed") and verb not in _NOT_PAST)


def is_participle(verb: str) -> bool:
    """Return whether a verb has the form of a past participle, as after "had"."""
    return is_past(verb) or verb.lower() in _PARTICIPLES


def is_auxiliary(verb: str) -> bool:
    """Return whether a verb is "be", "have", "do" or a modal verb."""
    verb = verb.lower()
    return verb in _MODALS or verb in ("am", "are", "were", "weren't", "aren't", *_THIRD)


def may_be_verb(word: str) -> bool:
    """Return whether a word after "I" can be its verb."""
    return len(word) > 1 and word.lower() not in _NOT_VERBS


def is_likely_verb(verb: str) -> bool:
    """Return whether a word after a conjunction is most likely a verb."""
    return verb.lower() in _LIKELY_VERBS


def is_ambiguous_verb(verb: str) -> bool:
    """Return whether a word after a conjunction may be a verb, a noun or an adjective."""
    return verb.lower() in _AMBIGUOUS_VERBS


def inflect(verb: str) -> str:
    """Return the form for "the user" of a verb that follows "I"."""
    lower = verb.lower().replace("’", "'")
    if lower in _MODALS or (lower not in _THIRD and is_past(lower)):
        return verb
    if lower in _THIRD:
        return _THIRD[lower]
    if lower.endswith("y") and lower[-2:-1] not in "aeiou":
        return f"{lower[:-1]}ies"
    return f"{lower}es" if lower.endswith(("s", "sh", "ch", "x", "z", "o")) else f"{lower}s"


def uninflect(verb: str) -> str:
    """Return the form for "you" of a verb that follows "the user"."""
    lower = verb.lower().replace("’", "'")
    if lower in _SECOND:
        return _SECOND[lower]
    if not lower.endswith("s") or lower.endswith("ss"):
        return verb
    if lower.endswith("ies") and len(lower) > 4:
        return f"{lower[:-3]}y"
    return (
        lower[:-2] if lower.endswith(("sses", "shes", "ches", "xes", "zzes", "oes")) else lower[:-1]
    )


FINITE_FORMS = "|".join(
    sorted(
        {
            *(inflect(verb) for verb in _LIKELY_VERBS),
            *(
                verb
                for verb in _LIKELY_VERBS
                if verb not in ("love", "help", "work", "play", "sleep")
            ),
            *_PAST,
            *(word for word in _MODALS if word != "used"),
            *"is are was were has had does comes calls works helps studies teaches wants lives "
            "sells runs turns weighs costs starts keeps says sounds looks isn't aren't wasn't "
            "[a-z]{3,}ed".split(),
        },
        key=lambda form: (-len(form), form),
    )
)
"""Pattern of verb forms that complete a sentence about "my …"."""
PAST_FORMS = "|".join(("was", "were", "had", "did", "didn't", "[a-z]{3,}ed", *sorted(_PAST)))
"""Pattern of verb forms of the past."""
