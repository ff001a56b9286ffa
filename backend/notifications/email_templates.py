"""Render mails from templates in the recipient's language."""

from typing import Any

from django.template.loader import render_to_string

from backend.notifications.services import EmailContent


def render_email(name: str, language: str, context: dict[str, Any]) -> EmailContent:
    """Render the template `emails/<name>.<language>.txt` as plain text and as HTML.

    The first line is the subject, the rest is the body. The HTML version escapes and formats the same text,
    so the template itself must be in an `{% autoescape off %}` block.

    Args:
        language: "ru" or "en".
        context: the variables of the template.
    """
    subject, _, text = render_to_string(f"emails/{name}.{language}.txt", context).strip().partition("\n")
    html = render_to_string(
        "emails/layout.html", {"subject": subject, "text": text.strip(), "language": language}
    )
    return EmailContent(subject=subject, text=text.strip() + "\n", html=html)
