"""The chapter of digests: what the days say of a person, without a language model."""

from __future__ import annotations

from rich.text import Text

from .scene import Scene

_SHOWN = 3  # so many of the days


def tell_digests(scene: Scene) -> None:
    """Digests the days, and shows the portrait and the last days' summaries."""
    report = scene.bank.rebuild(user_id=scene.user, language=scene.language)
    scene.digested = report.digested
    scene.say(scene.word("digested", days=report.digested), "dim")
    scene.say("")
    portrait = scene.bank.portrait(user_id=scene.user)
    if portrait:
        scene.say(Text(scene.word("portrait", user=scene.user), "bold"))
        scene.indented(Text(portrait.text))
    scene.say("")
    scene.say(Text(scene.word("last_days"), "bold"))
    for event in scene.bank.timeline(user_id=scene.user, kind="event", last=_SHOWN):
        day = Text(f"{scene.day(event.day)}  ", "cyan")
        scene.indented(day + Text(event.text))
    scene.say(scene.word("with_a_model"), "dim")
