"""Mails made from templates, one text in each language."""

from typing import Any

from django.template.loader import render_to_string

from backend.notifications.services import Letter


def render_letter(name: str, language: str, context: dict[str, Any]) -> Letter:
    """Return a mail from the template `emails/<name>.<language>.txt`.

    The template's first line is the subject; the HTML is the same text, set. Only there is anything
    escaped, so the template begins with `{% autoescape off %}`.

    Args:
        language: "ru" or "en".
        context: what the template names.
    """
    subject, _, text = render_to_string(f"emails/{name}.{language}.txt", context).strip().partition("\n")
    html = render_to_string(
        "emails/letter.html", {"subject": subject, "text": text.strip(), "language": language}
    )
    return Letter(subject=subject, text=text.strip() + "\n", html=html)
