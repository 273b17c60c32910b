"""Chapter on digests: portrait and event summaries, written without a language model."""

from __future__ import annotations

from rich.text import Text

from .scene import Scene

_SHOWN = 3  # days


def show_digests(scene: Scene) -> None:
    """Digest the days, and show the portrait and the summaries of the last days."""
    report = scene.bank.rebuild(user_id=scene.user, language=scene.language)
    scene.digested = report.digested
    scene.print(scene.phrase("digested", days=report.digested), "dim")
    scene.print("")
    portrait = scene.bank.portrait(user_id=scene.user)
    if portrait:
        scene.print(Text(scene.phrase("portrait", user=scene.user), "bold"))
        scene.print_indented(Text(portrait.text))
    scene.print("")
    scene.print(Text(scene.phrase("last_days"), "bold"))
    for event in scene.bank.timeline(user_id=scene.user, kind="event", last=_SHOWN):
        day = Text(f"{scene.format_day(event.day)}  ", "cyan")
        scene.print_indented(day + Text(event.text))
    scene.print(scene.phrase("with_a_model"), "dim")
